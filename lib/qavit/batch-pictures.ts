import type { DeviceTensor } from '../binding/native';
import type { ImageInput, TileGrid } from '../image';
import type { Size } from '../image/geometry';
import type { EncodingContext } from './encoding';
import { chunks, groupBy } from './grouping';
import { alreadyLooked, digestOf, type LookedPicture, preparePicture } from './pictures';
import { joined, samplesPerRun } from './runs';
import { keyOf } from './sizes';
import type { Looked, Picture } from './types';
import { viewCount, viewsOf } from './views';

/** Pictures decoded at a time: as many as Node's thread pool works on; each may take its full size in memory. */
const DECODING = 4;

/** The whole or a tile of a picture, by their numbers. */
export interface Seen {
  readonly image: number;
  readonly view: number;
}

/** Streams [U, M, C] of so many views. */
export interface Sight {
  readonly stream: DeviceTensor;
  /** Of each of them, pixels. */
  readonly size: Size;
  /** Whether it was made for this batch, which disposes it. */
  readonly owned: boolean;
  readonly views: readonly Seen[];
}

/** What is known of a picture once it is prepared. */
interface Known {
  /** What it was cut into. */
  readonly grid: TileGrid | undefined;
  readonly digest: string;
}

/** The pictures of a batch, each once, by their numbers: prepared and looked at in turns of bounded size. */
export class BatchPictures {
  private readonly known = new Map<number, Known>();

  /** @param ofImage what a failure of a picture is told as */
  constructor(
    private readonly context: Pick<EncodingContext, 'engine' | 'preprocessor' | 'limits'>,
    private readonly images: readonly (ImageInput | Looked)[],
    private readonly ofImage: (error: unknown, image: number) => unknown,
    private readonly signal: AbortSignal,
  ) {}

  /** Of a picture that was prepared. */
  grid(image: number): TileGrid | undefined {
    return this.known.get(image)?.grid;
  }

  /** Of a picture that was prepared. */
  digest(image: number): string {
    return this.known.get(image)?.digest ?? '';
  }

  /** Pictures of one turn go through the tower together: those that were looked at before, or those that were not. */
  turns(perRun: number): number[][] {
    const byKind = groupBy([...this.images.keys()], (i) => (this.lookedAt([i]) ? 'looked' : 'fresh'));
    return (['looked', 'fresh'] as const).flatMap((kind) => chunks(byKind.get(kind) ?? [], perRun));
  }

  /** The pictures of a turn, if they were looked at before. */
  lookedAt(turn: readonly number[]): readonly LookedPicture[] | undefined {
    const looked = turn.map((image) => alreadyLooked(this.images[image], this.context.engine));
    return looked.length > 0 && looked.every((one) => one !== undefined) ? looked : undefined;
  }

  async prepare(turn: readonly number[] = []): Promise<Picture[]> {
    const looked = this.lookedAt(turn);
    const pictures = looked ? looked.map(({ picture }) => picture) : await this.decode(turn);
    turn.forEach((image, i) => {
      const picture = pictures[i]!;
      this.known.set(image, { grid: gridOf(picture), digest: looked?.[i]?.digest ?? digestOf(picture) });
    });
    return pictures;
  }

  /**
   * All views of all pictures, as many of one size together as a run should have. Who takes a sight that is owned disposes it.
   *
   * @param prepared those of the first turn, if they are
   */
  async *sights(
    turns: readonly number[][],
    prepared: readonly Picture[] | undefined,
  ): AsyncGenerator<Sight, void, void> {
    let next: readonly Picture[] | Promise<Picture[]> = prepared ?? this.prepare(turns[0]);
    for (const [i, turn] of turns.entries()) {
      const pictures = await next;
      const following = this.prepare(turns[i + 1]);
      following.catch(() => undefined); // reported when its turn comes; an earlier failure aborts it
      next = following;
      const looked = this.lookedAt(turn);
      const sizes = looked ? looked.map(({ size }) => size) : pictures;
      for (const places of groupBy([...turn.keys()], (place) => keyOf(sizes[place]!)).values()) {
        const numbers = places.map((place) => turn[place]!);
        yield* looked ? this.seenBefore(numbers, pick(looked, places)) : this.seenNow(numbers, pick(pictures, places));
      }
    }
  }

  private async decode(turn: readonly number[]): Promise<Picture[]> {
    const pictures: Picture[] = [];
    for (const group of chunks(turn, DECODING)) {
      pictures.push(...(await Promise.all(group.map((image) => this.picture(image)))));
    }
    return pictures;
  }

  private async picture(image: number): Promise<Picture> {
    const { preprocessor, engine, limits } = this.context;
    try {
      const given = this.images[image] as ImageInput;
      return await preparePicture(given, preprocessor, engine.model.image, this.signal, limits);
    } catch (error) {
      throw this.ofImage(error, image);
    }
  }

  /** @param numbers of pictures of one size */
  private async *seenNow(numbers: readonly number[], pictures: readonly Picture[]): AsyncGenerator<Sight, void, void> {
    const { engine } = this.context;
    const [size] = pictures;
    const all = numbers.flatMap((image, i) => viewsOf(pictures[i]!).map(({ data }, view) => ({ image, view, data })));
    for (const views of chunks(all, samplesPerRun(engine, size))) {
      const stream = await engine.look(joined(views), views.length, this.signal, size);
      yield { stream, size: size!, owned: true, views: views.map(({ image, view }) => ({ image, view })) };
    }
  }

  /** @param numbers of pictures of one size */
  private async *seenBefore(
    numbers: readonly number[],
    looked: readonly LookedPicture[],
  ): AsyncGenerator<Sight, void, void> {
    const wholes = numbers.map((image) => ({ image, view: viewCount(this.grid(image)) - 1 }));
    const { size } = looked[0]!;
    const [first, ...others] = looked.map((picture) => picture.stream());
    if (first && others.length === 0) yield { stream: first, size, owned: false, views: wholes };
    else if (first) {
      const stream = await this.context.engine.join([first, ...others], this.signal, size);
      yield { stream, size, owned: true, views: wholes };
    }
    for (const [i, picture] of looked.entries()) yield* tilesSeen(picture, numbers[i]!);
  }
}

function pick<T>(items: readonly T[], places: readonly number[]): T[] {
  return places.map((place) => items[place]!);
}

/** Without the pixels, which are needed no longer than their turn. */
function gridOf({ tiles }: Picture): TileGrid | undefined {
  return tiles && { rows: tiles.rows, columns: tiles.columns, picture: tiles.picture };
}

function* tilesSeen(looked: LookedPicture, image: number): Generator<Sight, void, void> {
  let first = 0;
  for (const stream of looked.tiles()) {
    const [count] = stream.shape;
    const views = Array.from({ length: count }, (_, i) => ({ image, view: first + i }));
    yield { stream, size: looked.size, owned: false, views };
    first += count;
  }
}
