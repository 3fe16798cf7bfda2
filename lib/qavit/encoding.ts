import type { DeviceTensor } from '../binding/native';
import { QAViTError } from '../errors';
import type { ImageInput, ImageLimits, PreprocessorConfig } from '../image';
import type { Output } from '../models/plans';
import { tokensToHandOver } from '../models/qavit';
import { digest } from '../weights';
import { throwIfAborted } from '../calls/abort';
import type { Engine, HandedOver } from './engine';
import { expectFiniteTokens } from './finite';
import { chunks, Distinct, groupBy } from './grouping';
import { alreadyLooked, type LookedPicture, preparePicture } from './pictures';
import { QuestionBlocks } from './question-blocks';
import { longestOf, type QuestionEncoder } from './questions';
import { bestRated, takeRows } from './token-selection';
import type { BatchItem, Looked, Picture, VisualTokens } from './types';

/**
 * Rows a run should have: on the CPU more cost the same time a row (measured from 512 to 4096), and memory. A GPU needs many to have
 * work for all of its multiprocessors: these are 28 pictures of ViT-L/14-336.
 */
const ROWS = { cpu: 2048, reference: 2048, cuda: 16000 };
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

/** A sample, and which of its turn's pictures it is of. */
type Entered = Sample & { readonly entry: number };

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
  const batch = new Batch(context, output, signal);
  try {
    return await batch.encode(items);
  } finally {
    batch.dispose();
  }
}

class Batch {
  private readonly images = new Distinct<ImageInput | Looked>();
  /** By number of the picture: the first item it belongs to. */
  private readonly firstItems: number[] = [];
  private readonly results: VisualTokens[] = [];
  /** Whether there is one item only, which needs no number in messages. */
  private alone = false;
  private blocks: QuestionBlocks | undefined;
  private questionDigests: string[] = [];
  private readonly imageDigests = new Map<number, string>();

  constructor(
    private readonly context: EncodingContext,
    private readonly output: Output,
    private readonly signal: AbortSignal,
  ) {}

  async encode(items: readonly Asked[]): Promise<VisualTokens[]> {
    this.alone = items.length === 1;
    const samples = await this.resolve(items);
    const perRun = samplesPerRun(this.context.engine);
    const turns = this.turns(perRun);
    const [turn, ...others] = turns;
    if (turn && others.length === 0 && samples.length <= perRun && this.isNew(turn, samples)) {
      await this.encodeAtOnce(turn, samples);
    } else await this.encodeInTurns(samples, turns, perRun);
    return this.results;
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
    this.deliver(samples, await engine.encode(unseen, asked, this.output, this.signal));
  }

  /** While one turn is finished and its results are copied, the next one is looked at, and the pictures after those are decoded. */
  private async encodeInTurns(samples: readonly Sample[], turns: readonly number[][], perRun: number): Promise<void> {
    const byImage = groupBy(samples, ({ image }) => image);
    const samplesOf = (turn: readonly number[]): Entered[] =>
      turn.flatMap((image, entry) => (byImage.get(image) ?? []).map((sample) => ({ ...sample, entry })));
    let next = this.prepare(turns[0]);
    let finishing = Promise.resolve();
    try {
      for (const [i, turn] of turns.entries()) {
        const pictures = await next;
        next = this.prepare(turns[i + 1]);
        next.catch(() => undefined); // reported when its turn comes; an earlier failure aborts it
        const looked = await this.look(turn, pictures);
        const before = finishing;
        finishing = this.finishTurn(looked, samplesOf(turn), perRun, before);
        finishing.catch(() => undefined); // reported at the end of the next turn
        await before;
      }
    } finally {
      await finishing;
    }
  }

  private async finishTurn(
    { stream, owned }: { stream: DeviceTensor; owned: boolean },
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
  private async resolve(items: readonly Asked[]): Promise<Sample[]> {
    const { engine, questions, padding } = this.context;
    const distinct = new Distinct<BatchItem['question']>();
    const numbered = items.map(({ image, question, count }, item) => {
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
    if (this.alone || !(error instanceof QAViTError)) return error;
    return new QAViTError(error.code, `${error.message} (items[${item}])`, { cause: error });
  }

  /** @returns [U, M, C] of the pictures of this turn, and whether it was made for it */
  private async look(
    turn: readonly number[],
    pictures: readonly Picture[],
  ): Promise<{ stream: DeviceTensor; owned: boolean }> {
    const { engine } = this.context;
    this.recognize(turn, pictures);
    const streams = this.lookedAt(turn)?.map((looked) => looked.stream());
    if (!streams) return { stream: await engine.look(joined(pictures), pictures.length, this.signal), owned: true };
    const [only] = streams;
    if (only && streams.length === 1) return { stream: only, owned: false };
    return { stream: await engine.join(streams, this.signal), owned: true };
  }

  private recognize(turn: readonly number[], pictures: readonly Picture[]): void {
    const looked = this.lookedAt(turn);
    turn.forEach((image, i) => this.imageDigests.set(image, looked?.[i]?.digest ?? digest([pictures[i]?.data ?? ''])));
  }

  /** Runs what depends on questions, for the samples of one turn. */
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

  private deliver(run: readonly Sample[], { tokens, nonFinite, ratings }: HandedOver): void {
    const { engine, fingerprint } = this.context;
    const rows = tokensToHandOver(engine.model, this.output);
    run.forEach(({ item, image, question, count }, i) => {
      const asked = question === undefined ? 'plain' : (this.questionDigests[question] ?? '');
      const few = count === 'all' ? [] : [`${count} tokens`];
      const key = digest([this.imageDigests.get(image) ?? '', asked, fingerprint, this.output, ...few]);
      const all = tokens[i]!;
      // All, not those that are kept: ratings of others would be none either.
      expectFiniteTokens(all, nonFinite[i]!, this.alone ? 'encode' : `items[${item}]`);
      const rated = ratings?.subarray(i * rows, (i + 1) * rows);
      const kept = rated && count !== 'all' ? bestRated(rated, count) : undefined;
      const width = all.length / rows;
      const data = kept ? takeRows(all, kept, width) : all;
      this.results[item] = { data, shape: [data.length / width, width], key, ...(kept && { kept }) };
    });
  }
}

/** Pictures that go through the tower together at most. */
export function samplesPerRun({ device, model }: Engine): number {
  return Math.max(1, Math.ceil(ROWS[device.info.kind] / model.tokens));
}

export function joined(pictures: readonly Picture[]): Uint8Array {
  const [first] = pictures;
  if (!first) throw new QAViTError('ERR_ARGUMENT', 'Expected a picture for look but received none');
  if (pictures.length === 1) return first.data;
  const all = new Uint8Array(first.data.length * pictures.length);
  pictures.forEach(({ data }, i) => all.set(data, i * first.data.length));
  return all;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
