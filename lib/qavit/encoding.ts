import { QAViTError } from '../errors';
import { type ImageInput, type ImageLimits, type PreprocessorConfig, shapesOf } from '../image';
import type { Size } from '../image/geometry';
import type { Output } from '../models/plans';
import { tokensToHandOver } from '../models/qavit';
import { digest } from '../weights';
import { throwIfAborted } from '../calls/abort';
import { BatchPictures, type Seen, type Sight } from './batch-pictures';
import type { Engine, HandedOver } from './engine';
import { chunks, Distinct, groupBy } from './grouping';
import { QuestionBlocks } from './question-blocks';
import { longestOf, type QuestionEncoder } from './questions';
import { Results } from './results';
import { joined, samplesPerRun } from './runs';
import { isSame } from './sizes';
import type { BatchItem, Looked, Picture, VisualTokens } from './types';

export interface EncodingContext {
  readonly engine: Engine;
  readonly preprocessor: PreprocessorConfig;
  /** Whether visual tokens say what grid of patches they are of even where all pictures have one size. */
  readonly placedRows: boolean;
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
  private readonly results: Results;
  private readonly pictures: BatchPictures;
  /** By item, the number of its picture. */
  private readonly imageNumbers: readonly number[];
  private blocks: QuestionBlocks | undefined;
  private questionDigests: string[] = [];

  constructor(
    private readonly context: EncodingContext,
    private readonly items: readonly Asked[],
    private readonly output: Output,
    private readonly signal: AbortSignal,
  ) {
    const { model } = context.engine;
    const lines = output === 'projected' ? model.projector?.lines : undefined;
    this.results = new Results(items.length === 1, lines);
    const images = new Distinct<ImageInput | Looked>();
    this.imageNumbers = items.map(({ image }) => images.add(image, image instanceof URL ? image.href : image));
    const ofImage = (error: unknown, image: number): unknown => this.ofItem(error, this.imageNumbers.indexOf(image));
    this.pictures = new BatchPictures(context, images.values, ofImage, signal);
  }

  async encode(): Promise<VisualTokens[]> {
    const samples = await this.resolve();
    const perRun = samplesPerRun(this.context.engine);
    const { tiles = 0 } = this.context.preprocessor;
    const turns = this.pictures.turns(Math.max(1, Math.floor(perRun / (tiles + 1))));
    const [turn, ...others] = turns;
    const isOneTurn = turn && others.length === 0 && tiles === 0 && samples.length <= perRun;
    const pictures = isOneTurn && this.isNew(turn, samples) ? await this.pictures.prepare(turn) : undefined;
    const size = pictures?.[0];
    if (size && pictures.every((picture) => isSame(picture, size))) await this.encodeAtOnce(pictures, size, samples);
    else await this.encodeInTurns(samples, turns, pictures);
    return this.results.items;
  }

  /** Whether no picture was looked at before, and the questions are one block's. */
  private isNew(turn: readonly number[], samples: readonly Sample[]): boolean {
    return !this.pictures.lookedAt(turn) && new Set(samples.map((sample) => this.blockOf(sample))).size === 1;
  }

  /**
   * In one run instead of one each for pictures, questions and both: what lies between them is 7 % of a ViT-B/32 in int8 on two cores.
   *
   * @param pictures all of the batch, in their order
   * @param size of each of them
   */
  private async encodeAtOnce(pictures: readonly Picture[], size: Size, samples: readonly Sample[]): Promise<void> {
    const { engine } = this.context;
    const index = samples.map(({ image }) => image);
    const unseen = { pixels: joined(pictures), images: pictures.length, size, index };
    const block = samples[0] && this.blockOf(samples[0]);
    const features = block === undefined ? undefined : this.blocks?.features(block);
    const asked = features && { ...features, ...this.within(features, samples) };
    const entered = samples.map((sample) => ({ ...sample, view: 0, entry: sample.image }));
    await this.deliver(entered, size, await engine.encode(unseen, asked, this.output, this.signal));
  }

  /**
   * While one run is finished and its results are copied, the next one is looked at, and the pictures after those are decoded.
   *
   * @param prepared those of the first turn, if they are
   */
  private async encodeInTurns(
    samples: readonly Sample[],
    turns: readonly number[][],
    prepared: readonly Picture[] | undefined,
  ): Promise<void> {
    const byImage = groupBy(samples, ({ image }) => image);
    const samplesOf = (views: readonly Seen[]): Entered[] =>
      views.flatMap((seen, entry) => (byImage.get(seen.image) ?? []).map((sample) => ({ ...sample, ...seen, entry })));
    let finishing = Promise.resolve();
    try {
      for await (const sight of this.pictures.sights(turns, prepared)) {
        const before = finishing;
        finishing = this.finishSight(sight, samplesOf(sight.views), before);
        finishing.catch(() => undefined); // reported at the end of the next run
        await before;
      }
    } finally {
      await finishing;
    }
  }

  private async finishSight(sight: Sight, samples: readonly Entered[], before: Promise<void>): Promise<void> {
    try {
      await before;
      await this.finish(sight, samples);
    } finally {
      if (sight.owned) sight.stream.dispose();
    }
  }

  dispose(): void {
    this.blocks?.dispose();
  }

  /** Numbers questions, and turns them into features. */
  private async resolve(): Promise<Sample[]> {
    const { engine, questions, padding } = this.context;
    const distinct = new Distinct<BatchItem['question']>();
    const numbered = this.items.map(({ question, count }, item) => {
      return { item, image: this.imageNumbers[item]!, question: distinct.add(question), count };
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

  /** A failure of one picture or question, of many, says which. */
  private ofItem(error: unknown, item: number | undefined): unknown {
    if (this.items.length === 1 || !(error instanceof QAViTError)) return error;
    return new QAViTError(error.code, `${error.message} (items[${item}])`, { cause: error });
  }

  /** Runs what depends on questions, for the samples of one stream. */
  private async finish({ stream, size }: Sight, samples: readonly Entered[]): Promise<void> {
    const { engine } = this.context;
    const perRun = samplesPerRun(engine, size);
    for (const [block, together] of groupBy(samples, (sample) => this.blockOf(sample))) {
      const heard = block === undefined ? undefined : await this.blocks?.get(block, this.signal);
      for (const run of chunks(together, perRun)) {
        const pictures = { tensor: stream, size, index: run.map(({ entry }) => entry) };
        const handed = heard
          ? await engine.fuse(pictures, { ...heard, ...this.within(heard, run) }, this.output, this.signal)
          : await engine.plain(pictures, this.output, this.signal);
        await this.deliver(run, size, handed);
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

  private async deliver(
    run: readonly Entered[],
    size: Size,
    { tokens, nonFinite, ratings }: HandedOver,
  ): Promise<void> {
    const { engine, preprocessor, placedRows, fingerprint } = this.context;
    const model = engine.at(size);
    const rows = tokensToHandOver(model, this.output);
    const shaped = placedRows || shapesOf(preprocessor) ? model.grid : undefined;
    for (const [i, { image, question, ...sample }] of run.entries()) {
      const asked = question === undefined ? 'plain' : (this.questionDigests[question] ?? '');
      const few = sample.count === 'all' ? [] : [`${sample.count} tokens`];
      const key = digest([this.pictures.digest(image), asked, fingerprint, this.output, ...few]);
      const made = {
        tokens: tokens[i]!,
        rows,
        shaped: shaped && { ...shaped },
        nonFinite: nonFinite[i]!,
        ratings: ratings?.subarray(i * rows, (i + 1) * rows),
      };
      await this.results.put({ ...sample, grid: this.pictures.grid(image), key }, made);
    }
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
