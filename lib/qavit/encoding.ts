import type { DeviceTensor } from '../binding/native';
import { QAViTError } from '../errors';
import type { ImageInput, ImageLimits, PreprocessorConfig, TileGrid } from '../image';
import type { Output } from '../models/plans';
import { tokensToHandOver } from '../models/qavit';
import { digest } from '../weights';
import { throwIfAborted } from '../calls/abort';
import type { Engine, HandedOver } from './engine';
import { chunks, Distinct, groupBy } from './grouping';
import { alreadyLooked, digestOf, type LookedPicture, preparePicture } from './pictures';
import { QuestionBlocks } from './question-blocks';
import { longestOf, type QuestionEncoder } from './questions';
import { Results } from './results';
import { joined, samplesPerRun } from './runs';
import type { BatchItem, Looked, Picture, VisualTokens } from './types';
import { viewCount, viewsOf } from './views';

/** Pictures decoded at a time: as many as Node's thread pool works on; each may take its full size in memory. */
const DECODING = 4;

export interface EncodingContext {
  readonly engine: Engine;
  readonly preprocessor: PreprocessorConfig;
  readonly questions: QuestionEncoder;
  readonly padding: 'mask' | 'attend';
  readonly limits: Required<ImageLimits>;
  /** What besides picture and question determines the result. */
  readonly fingerprint: string;
}

/** A pair, and how many of its visual tokens are handed over: those that the adapter rates highest, or all. */
export interface Asked extends Pick<BatchItem, 'image' | 'question'> {
  readonly count: number | 'all';
}

/** One item of a batch, by number of its picture and question. */
interface Sample {
  readonly item: number;
  readonly image: number;
  /** Undefined: the plain tower. */
  readonly question: number | undefined;
  readonly count: number | 'all';
}

/** The whole or a tile of a picture, by their numbers. */
interface Seen {
  readonly image: number;
  readonly view: number;
}

/** Streams [U, M, C] of so many views. */
interface Sight {
  readonly stream: DeviceTensor;
  /** Whether it was made for this batch, which disposes it. */
  readonly owned: boolean;
  readonly views: readonly Seen[];
}

/** A sample of one view, and which entry of a stream that is. */
type Entered = Sample & Seen & { readonly entry: number };

/**
 * Encodes pictures under questions, in order. Equal pictures (the same object or path) are looked at once, equal questions heard
 * once; work goes in runs of bounded size.
 */
export async function encodeAll(
  context: EncodingContext,
  items: readonly Asked[],
  output: Output,
  signal: AbortSignal,
): Promise<VisualTokens[]> {
  const batch = new Batch(context, items, output, signal);
  try {
    return await batch.encode();
  } finally {
    batch.dispose();
  }
}

class Batch {
  private readonly images = new Distinct<ImageInput | Looked>();
  /** By number of the picture: the first item it belongs to. */
  private readonly firstItems: number[] = [];
  private readonly results: Results;
  /** By number of the picture: what it was cut into. */
  private readonly grids: (TileGrid | undefined)[] = [];
  private blocks: QuestionBlocks | undefined;
  private questionDigests: string[] = [];
  private readonly imageDigests = new Map<number, string>();

  constructor(
    private readonly context: EncodingContext,
    private readonly items: readonly Asked[],
    private readonly output: Output,
    private readonly signal: AbortSignal,
  ) {
    const { model } = context.engine;
    const lines = output === 'projected' ? model.projector?.lines : undefined;
    this.results = new Results(tokensToHandOver(model, output), items.length === 1, lines);
  }

  async encode(): Promise<VisualTokens[]> {
    const samples = await this.resolve();
    const perRun = samplesPerRun(this.context.engine);
    const { tiles = 0 } = this.context.preprocessor;
    const turns = this.turns(Math.max(1, Math.floor(perRun / (tiles + 1))));
    const [turn, ...others] = turns;
    if (turn && others.length === 0 && tiles === 0 && samples.length <= perRun && this.isNew(turn, samples)) {
      await this.encodeAtOnce(turn, samples);
    } else await this.encodeInTurns(samples, turns, perRun);
    return this.results.items;
  }

  /** Whether no picture was looked at before, and the questions are one block's. */
  private isNew(turn: readonly number[], samples: readonly Sample[]): boolean {
    return !this.lookedAt(turn) && new Set(samples.map((sample) => this.blockOf(sample))).size === 1;
  }

  /**
   * In one run instead of one each for pictures, questions and both: what lies between them is 7 % of a ViT-B/32 in int8 on two cores.
   *
   * @param turn all pictures, in their order
   */
  private async encodeAtOnce(turn: readonly number[], samples: readonly Sample[]): Promise<void> {
    const { engine } = this.context;
    const pictures = await this.prepare(turn);
    this.recognize(turn, pictures);
    const unseen = { pixels: joined(pictures), images: pictures.length, index: samples.map(({ image }) => image) };
    const block = samples[0] && this.blockOf(samples[0]);
    const features = block === undefined ? undefined : this.blocks?.features(block);
    const asked = features && { ...features, ...this.within(features, samples) };
    const entered = samples.map((sample) => ({ ...sample, view: 0, entry: sample.image }));
    this.deliver(entered, await engine.encode(unseen, asked, this.output, this.signal));
  }

  /** While one run is finished and its results are copied, the next one is looked at, and the pictures after those are decoded. */
  private async encodeInTurns(samples: readonly Sample[], turns: readonly number[][], perRun: number): Promise<void> {
    const byImage = groupBy(samples, ({ image }) => image);
    const samplesOf = (views: readonly Seen[]): Entered[] =>
      views.flatMap((seen, entry) => (byImage.get(seen.image) ?? []).map((sample) => ({ ...sample, ...seen, entry })));
    let finishing = Promise.resolve();
    try {
      for await (const sight of this.sights(turns, perRun)) {
        const before = finishing;
        finishing = this.finishSight(sight, samplesOf(sight.views), perRun, before);
        finishing.catch(() => undefined); // reported at the end of the next run
        await before;
      }
    } finally {
      await finishing;
    }
  }

  private async finishSight(
    { stream, owned }: Sight,
    samples: readonly Entered[],
    perRun: number,
    before: Promise<void>,
  ): Promise<void> {
    try {
      await before;
      await this.finish(stream, samples, perRun);
    } finally {
      if (owned) stream.dispose();
    }
  }

  dispose(): void {
    this.blocks?.dispose();
  }

  /** Numbers pictures and questions, and turns questions into features. */
  private async resolve(): Promise<Sample[]> {
    const { engine, questions, padding } = this.context;
    const distinct = new Distinct<BatchItem['question']>();
    const numbered = this.items.map(({ image, question, count }, item) => {
      const number = this.images.add(image, image instanceof URL ? image.href : image);
      this.firstItems[number] ??= item;
      return { item, image: number, question: distinct.add(question), count };
    });
    const features = [];
    const heardAs = new Map<number, number>();
    for (const [i, question] of distinct.values.entries()) {
      throwIfAborted(this.signal, 'encode');
      const found = await questions.encode(question, this.signal).catch((error: unknown) => {
        throw this.ofItem(error, numbered.find((sample) => sample.question === i)?.item);
      });
      if (found) heardAs.set(i, features.push(found) - 1);
    }
    this.blocks = features.length > 0 ? new QuestionBlocks(engine, features, padding) : undefined;
    const longest = longestOf(features);
    this.questionDigests = features.map(({ data, shape }) => {
      const rows = padding === 'attend' ? longest : shape[0];
      return digest([`${shape.join()} of ${rows}`, bytesOf(data)]);
    });
    return numbered.map((sample) => ({ ...sample, question: heardAs.get(sample.question) }));
  }

  /** Pictures of one turn go through the tower together: those that were looked at before, or those that were not. */
  private turns(perRun: number): number[][] {
    const byKind = groupBy([...this.images.values.keys()], (i) => (this.lookedAt([i]) ? 'looked' : 'fresh'));
    return (['looked', 'fresh'] as const).flatMap((kind) => chunks(byKind.get(kind) ?? [], perRun));
  }

  /** The pictures of a turn, if they were looked at before. */
  private lookedAt(turn: readonly number[]): readonly LookedPicture[] | undefined {
    const looked = turn.map((image) => alreadyLooked(this.images.values[image], this.context.engine));
    return looked.length > 0 && looked.every((one) => one !== undefined) ? looked : undefined;
  }

  private async prepare(turn: readonly number[] = []): Promise<Picture[]> {
    const looked = this.lookedAt(turn);
    if (looked) return looked.map(({ picture }) => picture);
    const pictures: Picture[] = [];
    for (const group of chunks(turn, DECODING)) {
      pictures.push(...(await Promise.all(group.map((image) => this.picture(image)))));
    }
    return pictures;
  }

  private async picture(image: number): Promise<Picture> {
    const { preprocessor, engine, limits } = this.context;
    try {
      return await preparePicture(
        this.images.values[image] as ImageInput,
        preprocessor,
        engine.model.image,
        this.signal,
        limits,
      );
    } catch (error) {
      throw this.ofItem(error, this.firstItems[image]);
    }
  }

  /** A failure of one picture or question, of many, says which. */
  private ofItem(error: unknown, item: number | undefined): unknown {
    if (this.items.length === 1 || !(error instanceof QAViTError)) return error;
    return new QAViTError(error.code, `${error.message} (items[${item}])`, { cause: error });
  }

  /** All views of all pictures, as many together as a run should have. Who takes a sight that is owned disposes it. */
  private async *sights(turns: readonly number[][], perRun: number): AsyncGenerator<Sight, void, void> {
    let next = this.prepare(turns[0]);
    for (const [i, turn] of turns.entries()) {
      const pictures = await next;
      next = this.prepare(turns[i + 1]);
      next.catch(() => undefined); // reported when its turn comes; an earlier failure aborts it
      this.recognize(turn, pictures);
      const looked = this.lookedAt(turn);
      yield* looked ? this.seenBefore(turn, looked) : this.seenNow(turn, pictures, perRun);
    }
  }

  private async *seenNow(
    turn: readonly number[],
    pictures: readonly Picture[],
    perRun: number,
  ): AsyncGenerator<Sight, void, void> {
    const all = turn.flatMap((image, i) => viewsOf(pictures[i]!).map(({ data }, view) => ({ image, view, data })));
    for (const views of chunks(all, perRun)) {
      const stream = await this.context.engine.look(joined(views), views.length, this.signal);
      yield { stream, owned: true, views: views.map(({ image, view }) => ({ image, view })) };
    }
  }

  private async *seenBefore(
    turn: readonly number[],
    looked: readonly LookedPicture[],
  ): AsyncGenerator<Sight, void, void> {
    const wholes = turn.map((image) => ({ image, view: viewCount(this.grids[image]) - 1 }));
    const [first, ...others] = looked.map((picture) => picture.stream());
    if (first && others.length === 0) yield { stream: first, owned: false, views: wholes };
    else if (first) {
      const stream = await this.context.engine.join([first, ...others], this.signal);
      yield { stream, owned: true, views: wholes };
    }
    for (const [i, picture] of looked.entries()) yield* tilesSeen(picture, turn[i]!);
  }

  private recognize(turn: readonly number[], pictures: readonly Picture[]): void {
    const looked = this.lookedAt(turn);
    turn.forEach((image, i) => {
      const picture = pictures[i]!;
      this.grids[image] = picture.tiles;
      this.imageDigests.set(image, looked?.[i]?.digest ?? digestOf(picture));
    });
  }

  /** Runs what depends on questions, for the samples of one stream. */
  private async finish(stream: DeviceTensor, samples: readonly Entered[], perRun: number): Promise<void> {
    const { engine } = this.context;
    for (const [block, together] of groupBy(samples, (sample) => this.blockOf(sample))) {
      const heard = block === undefined ? undefined : await this.blocks?.get(block, this.signal);
      for (const run of chunks(together, perRun)) {
        const pictures = { tensor: stream, index: run.map(({ entry }) => entry) };
        const handed = heard
          ? await engine.fuse(pictures, { ...heard, ...this.within(heard, run) }, this.output, this.signal)
          : await engine.plain(pictures, this.output, this.signal);
        this.deliver(run, handed);
      }
    }
  }

  /** Undefined: the plain tower. */
  private blockOf({ question }: Sample): number | undefined {
    return question === undefined || !this.blocks ? undefined : Math.floor(question / this.blocks.size);
  }

  /** Which questions of their block samples take, and how long those are. */
  private within({ lengths }: { lengths: readonly number[] }, run: readonly Sample[]) {
    const index = run.map(({ question }) => (question ?? 0) % (this.blocks?.size ?? 1));
    return { index, lengths: index.map((i) => lengths[i] ?? 0) };
  }

  private deliver(run: readonly Entered[], { tokens, nonFinite, ratings }: HandedOver): void {
    const { engine, fingerprint } = this.context;
    const rows = tokensToHandOver(engine.model, this.output);
    run.forEach(({ image, question, ...sample }, i) => {
      const asked = question === undefined ? 'plain' : (this.questionDigests[question] ?? '');
      const few = sample.count === 'all' ? [] : [`${sample.count} tokens`];
      const key = digest([this.imageDigests.get(image) ?? '', asked, fingerprint, this.output, ...few]);
      const made = {
        tokens: tokens[i]!,
        nonFinite: nonFinite[i]!,
        ratings: ratings?.subarray(i * rows, (i + 1) * rows),
      };
      this.results.put({ ...sample, grid: this.grids[image], key }, made);
    });
  }
}

function* tilesSeen(looked: LookedPicture, image: number): Generator<Sight, void, void> {
  let first = 0;
  for (const stream of looked.tiles()) {
    const [count] = stream.shape;
    const views = Array.from({ length: count }, (_, i) => ({ image, view: first + i }));
    yield { stream, owned: false, views };
    first += count;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
