import { expected } from '../errors';
import type { Grid } from '../grid';
import { preparedSize } from './at-size';
import { fitIntoGrid } from './fitted-tiles';
import { sizeByLongEdge, type Size } from './geometry';
import { shapesOf } from './own-shapes';
import type { PreprocessorConfig } from './preprocessor-config';

/** How a processor cuts pictures into tiles of the tower's size, besides the whole. */
export interface Tiling {
  /**
   * `long-edge` (Idefics3): the long edge is brought to a size, both edges then to the next multiple of a tile's, and the whole is made
   * from that. `proportions` (InternVL): the picture is brought to whichever grid has the proportions nearest to its own. `fit`
   * (LLaVA-NeXT): it keeps its proportions, and black borders fill one of `grids`.
   */
  readonly by: 'long-edge' | 'proportions' | 'fit';
  /** Tiles of a grid. */
  readonly least: number;
  readonly most: number;
  /** Whether the processor cuts unless it is told otherwise. */
  readonly usual: boolean;
  /** Those that there are to `fit` a picture into. */
  readonly grids?: readonly Grid[];
}

/** Tiles of a picture, u8 [rows * columns, height, width, 3], row by row; each as large as the whole. */
export interface Tiles extends TileGrid {
  readonly data: Uint8Array;
}

/** What a picture was cut into. */
export interface TileGrid extends Grid {
  /** Pixels of the picture as it came, where borders fill the grid: rows of these are no visual tokens. */
  readonly picture?: Size;
}

/** How one picture is cut. */
export interface Cut extends Grid {
  /** Of a tile, pixels. */
  readonly side: number;
  /** What the picture is brought to, one after the other; the last is the canvas, which the grid divides, unless there is another. */
  readonly sizes: readonly Size[];
  /** In whose middle the picture is put, in black. */
  readonly canvas?: Size;
  /** What the whole is resized from. */
  readonly wholeOf: 'canvas' | 'picture';
}

/**
 * @param tiles how many a picture may be cut into; `auto`: as many as its processor makes of it
 * @throws QAViTError ERR_UNSUPPORTED where a processor cuts no pictures, or they are no squares
 */
export function withTiles(config: PreprocessorConfig, tiles: number | 'auto'): PreprocessorConfig {
  const { tiling } = config;
  if (!tiling && tiles !== 'auto' && tiles > 0) {
    throw expected('ERR_UNSUPPORTED', '0 (this model cuts no pictures into tiles)', 'option tiles', tiles);
  }
  if (!tiling) return { ...config, tiles: 0 };
  if (tiles !== 0 && !isSquare(config)) {
    throw expected('ERR_UNSUPPORTED', '0 (tiles are squares, and these pictures are not)', 'option tiles', tiles);
  }
  const { most, usual } = tiling;
  const asked = tiles === 'auto' ? (usual ? most : 0) : Math.min(tiles, most);
  return { ...config, tiles: asked < fewest(tiling) ? 0 : asked };
}

function isSquare(config: PreprocessorConfig): boolean {
  const size = preparedSize(config);
  if (shapesOf(config)) return false;
  return size === undefined || size.width === size.height;
}

/** One tile would be the whole, but where it has borders, which the whole has not. */
function fewest({ grids }: Tiling): number {
  return grids ? Math.min(...grids.map(({ rows, columns }) => rows * columns)) : 2;
}

/** As transformers cuts the picture where the config allows for as many tiles. Undefined: it is not cut. */
export function planTiles(picture: Size, config: PreprocessorConfig): Cut | undefined {
  const { tiling, tiles: most = 0, longestEdgeFirst: edge, resize } = config;
  if (!tiling || resize?.rule.kind !== 'exact') return undefined;
  const { width: side } = resize.rule;
  if (tiling.by === 'fit') return fitIntoGrid(picture, side, withUpTo(most, tiling.grids ?? []));
  if (most < 2) return undefined;
  if (tiling.by === 'proportions') return byProportions(picture, side, { ...tiling, most });
  return edge === undefined ? undefined : byLongEdge(picture, side, edge, most);
}

/** @param canvas RGB of columns * side x rows * side pixels */
export function cutTiles(canvas: Uint8Array, { rows, columns, side }: Cut): Tiles {
  const row = side * 3;
  const data = new Uint8Array(canvas.length);
  for (let tile = 0; tile < rows * columns; tile++) {
    const [top, left] = [Math.floor(tile / columns) * side, (tile % columns) * row];
    for (let y = 0; y < side; y++) {
      const start = (top + y) * columns * row + left;
      data.set(canvas.subarray(start, start + row), (tile * side + y) * row);
    }
  }
  return { rows, columns, data };
}

/** The largest long edge, of the processor's own and the multiples of a tile below it, that makes no more than `most`. */
function byLongEdge(picture: Size, side: number, longest: number, most: number): Cut | undefined {
  for (let edge = longest; edge > side; edge = (Math.ceil(edge / side) - 1) * side) {
    const first = sizeByLongEdge(picture, edge);
    const { rows, columns } = gridOver(first, side);
    const sizes = [first, { width: columns * side, height: rows * side }];
    if (rows * columns <= most) return { rows, columns, side, sizes, wholeOf: 'canvas' };
  }
  return undefined;
}

/** The short edge follows from the long one's multiple, and is rounded up itself; of a line of pixels it may come out as less than one. */
function gridOver({ width, height }: Size, side: number): Grid {
  const ratio = width / height;
  const tiles = (edge: number): number => Math.max(1, Math.ceil(edge / side));
  return width >= height
    ? { columns: tiles(width), rows: tiles(Math.trunc((tiles(width) * side) / ratio)) }
    : { rows: tiles(height), columns: tiles(Math.trunc(tiles(height) * side * ratio)) };
}

/** Of grids with equally near proportions the larger one, as long as the picture has more than half of its pixels. */
function byProportions({ width, height }: Size, side: number, { least, most }: Tiling): Cut | undefined {
  const ratio = width / height;
  let best: Grid = { rows: 1, columns: 1 };
  let nearest = Infinity;
  for (const grid of grids(least, most)) {
    const { rows, columns } = grid;
    const distance = Math.abs(ratio - columns / rows);
    const fills = width * height > 0.5 * side * side * rows * columns;
    if (distance < nearest || (distance === nearest && fills)) best = grid;
    nearest = Math.min(nearest, distance);
  }
  const { rows, columns } = best;
  if (rows * columns === 1) return undefined;
  return { rows, columns, side, sizes: [{ width: columns * side, height: rows * side }], wholeOf: 'picture' };
}

function withUpTo(most: number, all: readonly Grid[]): Grid[] {
  return all.filter(({ rows, columns }) => rows * columns <= most);
}

/** In the order in which transformers tries them: fewer tiles first, and fewer columns among as many. */
function grids(least: number, most: number): Grid[] {
  const upTo = Array.from({ length: most }, (_, i) => i + 1);
  const all = upTo.flatMap((columns) => upTo.map((rows) => ({ rows, columns })));
  const within = all.filter(({ rows, columns }) => rows * columns >= least && rows * columns <= most);
  return within.sort((a, b) => a.rows * a.columns - b.rows * b.columns);
}
