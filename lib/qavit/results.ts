import type { Lines } from '../blocks/projector';
import type { Grid } from '../grid';
import type { TileGrid } from '../image';
import { expectFiniteTokens } from './finite';
import { joinRows } from './join-rows';
import { inLines } from './lines';
import { bestRated, takeRows } from './token-selection';
import type { VisualTokens } from './types';
import { viewCount } from './views';

/** Whose tokens they are. */
export interface Recipient {
  readonly item: number;
  /** What the item's picture was cut into, and which view of it this is. */
  readonly grid: TileGrid | undefined;
  readonly view: number;
  /** Tokens to keep. */
  readonly count: number | 'all';
  readonly key: string;
}

/** What the device gave for one view under one question. */
export interface ViewTokens {
  /** [N, E or C] */
  readonly tokens: Float32Array;
  /** N */
  readonly rows: number;
  /** Of the patches, where tokens say that. */
  readonly shaped: Grid | undefined;
  /** Where the first number is that is infinite or NaN, or -1. */
  readonly nonFinite: number;
  /** [N], where there is a selector. */
  readonly ratings: Float32Array | undefined;
}

/** Visual tokens by item, put together from the views of each item's picture. */
export class Results {
  readonly items: VisualTokens[] = [];
  /** By item, what is there of those with several views. */
  private readonly parts = new Map<number, Map<number, Float32Array>>();

  /**
   * @param alone whether there is one item only, which needs no number in messages
   * @param lines how the tokens of a picture are laid out; one view's behind another's unless given
   */
  constructor(
    private readonly alone: boolean,
    private readonly lines: Lines | undefined,
  ) {}

  /** @throws QAViTError ERR_ARGUMENT for tokens that are not finite */
  async put(
    { item, grid, view, count, key }: Recipient,
    { tokens, rows, shaped, nonFinite, ratings }: ViewTokens,
  ): Promise<void> {
    // All, not those that are kept: ratings of others would be none either.
    expectFiniteTokens(tokens, nonFinite, this.alone ? 'encode' : `items[${item}]`);
    const width = tokens.length / rows;
    const kept = ratings && count !== 'all' ? bestRated(ratings, count) : undefined;
    const own = kept ? takeRows(tokens, kept, width) : tokens;
    const views = this.together(item, view, own, viewCount(grid));
    if (!views) return;
    const data = this.lines ? await inLines(views, grid, this.lines) : joinRows(views);
    const tiles = grid && { rows: grid.rows, columns: grid.columns };
    const shape: [number, number] = [data.length / width, width];
    this.items[item] = {
      data,
      shape,
      key,
      ...(kept && { kept }),
      ...(shaped && { grid: shaped }),
      ...(tiles && { tiles }),
    };
  }

  /** Tokens of all views of an item's picture, in order; undefined until the last of them is there. */
  private together(item: number, view: number, tokens: Float32Array, views: number): Float32Array[] | undefined {
    const parts = this.parts.get(item) ?? new Map<number, Float32Array>();
    this.parts.set(item, parts.set(view, tokens));
    if (parts.size < views) return undefined;
    this.parts.delete(item);
    return Array.from({ length: views }, (_, i) => parts.get(i)!);
  }
}
