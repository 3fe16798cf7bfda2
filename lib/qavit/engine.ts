import type { Device, DeviceTensor, HostArray, Plan, ResultForm, Samples } from '../binding/native';
import type { Graph, GraphOptions } from '../graph';
import type { Size } from '../image/geometry';
import type { VisionModel } from '../models/qavit';
import {
  attendPlan,
  encodePlan,
  fusePlan,
  joinPlan,
  listenPlan,
  lookPlan,
  type Output,
  plainPlan,
  type QuestionSize,
  type Shared,
  splitPlan,
} from '../models/plans';
import { asTensors, ParameterStore, PlanRunner } from '../weights';
import type { Precision } from './precision';
import { keyOf, Sizes } from './sizes';

/** Which of several entries (pictures or questions) each sample takes. */
interface Spread {
  /** B numbers of entries. */
  readonly index: readonly number[];
}

/** Entries on the device: pictures [U, M, C] or questions [Q, K, Lf*2C]. */
interface Kept extends Spread {
  readonly tensor: DeviceTensor;
}

/** Pictures of one size. */
interface Sized {
  /** In pixels; that of the model's pictures unless given. */
  readonly size?: Size;
}

export type SeenPictures = Kept & Sized;

interface Asked extends Spread {
  /** Rows of each sample's question that act as keys. */
  readonly lengths: readonly number[];
}

export type HeardQuestions = Kept & Asked;

/** Pixels u8 [U, image height, image width * 3] of `images` pictures. */
export interface UnseenPictures extends Spread, Sized {
  readonly pixels: Uint8Array;
  readonly images: number;
}

/** Features f32 [Q, K, Dq]. */
export interface UnheardQuestions extends Asked {
  readonly features: Float32Array;
  readonly size: QuestionSize;
}

export interface HandedOver {
  /** Visual tokens of each sample, f32 [N, E or C]. */
  readonly tokens: readonly Float32Array[];
  /** Of each, the position of its first number that is infinite or NaN, or -1. */
  readonly nonFinite: readonly number[];
  /** Where there is a selector, the tokens' ratings, f32 [B, N]. */
  readonly ratings?: Float32Array;
}

/** Runs a vision model's plans on a device: one method a plan. Knows shapes and tensors, nothing of files, text or options. */
export class Engine {
  private readonly plans: PlanRunner;
  private readonly sizes: Sizes;
  private readonly options: GraphOptions;

  /** @param keptTables bytes of position tables to keep, of pictures of other sizes than the model's own */
  constructor(
    readonly device: Device,
    readonly model: VisionModel,
    { dtype, float }: Precision,
    keptTables?: number,
  ) {
    this.plans = new PlanRunner(device, new ParameterStore(device, float, dtype));
    const forget = (key: string, { tables }: VisionModel) =>
      void this.plans.forget(`${key}: `, tables).catch(() => undefined);
    this.sizes = new Sizes(model, forget, keptTables);
    this.options = { dtype: float, stream: 'f32' };
  }

  /**
   * Makes the parameters of a question-aware encoding resident (of a plain one, where nothing is fused), so that no call waits.
   *
   * @param picture that the tables are made for; one of the model's own size unless given
   */
  async prepare(signal?: AbortSignal, picture?: Size): Promise<void> {
    const { options } = this;
    const model = this.at(picture);
    const one = { entries: 1, indexed: false };
    const size = { samples: 1, images: one, questions: one, tokens: 1 };
    const graphs = [lookPlan(model, options, 1)];
    if (model.questionWidth === undefined) graphs.push(plainPlan(model, options, 1, one, 'projected'));
    else {
      graphs.push(listenPlan(model, options, { questions: 1, tokens: 1, width: model.questionWidth }));
      graphs.push(fusePlan(model, options, size, 'projected'));
    }
    await this.plans.prepare(graphs, signal);
  }

  /** Bytes of one question's keys and values. */
  questionBytes(tokens: number): number {
    return tokens * this.model.fused.length * 2 * this.model.width * (this.options.dtype === 'f32' ? 4 : 2);
  }

  /** The model for pictures of this size; what is not about size is the same in all. */
  at(size?: Size): VisionModel {
    return this.sizes.at(size);
  }

  /**
   * @param pixels of `images` pictures, u8 [U, image height, image width * 3]
   * @returns [U, M, C], on the device
   */
  async look(pixels: Uint8Array, images: number, signal: AbortSignal, size?: Size): Promise<DeviceTensor> {
    const plan = await this.plan(size, `look ${images}`, (model) => lookPlan(model, this.options, images));
    return this.keep(plan, [pixels], signal);
  }

  /**
   * @param streams [1, M, C] of pictures of one size that were looked at one by one
   * @returns [U, M, C]
   */
  async join(streams: readonly DeviceTensor[], signal: AbortSignal, size?: Size): Promise<DeviceTensor> {
    const { length } = streams;
    const plan = await this.plan(size, `join ${length}`, (model) => joinPlan(model, this.options, length));
    return this.keep(plan, [...streams], signal);
  }

  /**
   * @param stream [U, M, C]
   * @returns each picture's [1, M, C], memory of its own
   */
  async split(stream: DeviceTensor, signal: AbortSignal, size?: Size): Promise<DeviceTensor[]> {
    const [images] = stream.shape;
    const plan = await this.plan(size, `split ${images}`, (model) => splitPlan(model, this.options, images));
    return (await this.plans.run(plan, [stream], signal, asTensors(images))) as DeviceTensor[];
  }

  /**
   * @param features f32 [Q, K, Dq]
   * @returns [Q, K, Lf*2C], on the device
   */
  async listen(features: Float32Array, size: QuestionSize, signal: AbortSignal): Promise<DeviceTensor> {
    const key = `listen ${size.questions} ${size.tokens}`;
    const plan = await this.plans.plan(key, () => listenPlan(this.model, this.options, size));
    return this.keep(plan, [features], signal);
  }

  /** What look, listen and fuse (or plain) give, in one run. */
  async encode(
    { pixels, images, size: pictureSize, ...taken }: UnseenPictures,
    asked: UnheardQuestions | undefined,
    output: Output,
    signal: AbortSignal,
  ): Promise<HandedOver> {
    const size = {
      samples: taken.index.length,
      images: shared(images, taken),
      questions: asked && {
        ...shared(asked.size.questions, asked),
        tokens: asked.size.tokens,
        width: asked.size.width,
      },
    };
    const key = `encode ${JSON.stringify(size)} ${output}`;
    const plan = await this.plan(pictureSize, key, (model) => encodePlan(model, this.options, size, output));
    const inputs: (HostArray | DeviceTensor)[] = [pixels, ...indexOf(size.images, taken)];
    if (asked && size.questions) {
      inputs.push(asked.features, ...indexOf(size.questions, asked), Int32Array.from(asked.lengths));
    }
    return this.fetch(plan, inputs, signal);
  }

  async fuse(pictures: SeenPictures, heard: HeardQuestions, output: Output, signal: AbortSignal): Promise<HandedOver> {
    const size = {
      samples: pictures.index.length,
      images: sharedOf(pictures),
      questions: sharedOf(heard),
      tokens: heard.tensor.shape[1],
    };
    const key = `fuse ${JSON.stringify(size)} ${output}`;
    const plan = await this.plan(pictures.size, key, (model) => fusePlan(model, this.options, size, output));
    const inputs = [...withIndex(pictures), ...withIndex(heard), Int32Array.from(heard.lengths)];
    return this.fetch(plan, inputs, signal);
  }

  async plain(pictures: SeenPictures, output: Output, signal: AbortSignal): Promise<HandedOver> {
    const [samples, images] = [pictures.index.length, sharedOf(pictures)];
    const key = `plain ${samples} ${JSON.stringify(images)} ${output}`;
    const plan = await this.plan(pictures.size, key, (model) =>
      plainPlan(model, this.options, samples, images, output),
    );
    return this.fetch(plan, withIndex(pictures), signal);
  }

  /** @returns features with and without the question, f32 [M, C], then a map f32 [M, K] a fused layer */
  async attend(
    stream: DeviceTensor,
    heard: DeviceTensor,
    length: number,
    signal: AbortSignal,
    size?: Size,
  ): Promise<Float32Array[]> {
    const tokens = heard.shape[1];
    const plan = await this.plan(size, `attend ${tokens}`, (model) => attendPlan(model, this.options, tokens));
    const results = await this.plans.run(plan, [stream, heard, Int32Array.of(length)], signal);
    return results as Float32Array[];
  }

  /** @param key stands for all that `trace` depends on but for the size */
  private plan(size: Size | undefined, key: string, trace: (model: VisionModel) => Graph): Promise<Plan> {
    const model = this.at(size);
    return this.plans.plan(`${keyOf(model.image)}: ${key}`, () => trace(model));
  }

  private async keep(plan: Plan, inputs: (HostArray | DeviceTensor)[], signal: AbortSignal): Promise<DeviceTensor> {
    const [tensor] = await this.plans.run(plan, inputs, signal, asTensors(1));
    return tensor as DeviceTensor;
  }

  private async fetch(plan: Plan, inputs: (HostArray | DeviceTensor)[], signal: AbortSignal): Promise<HandedOver> {
    const results: ResultForm[] = this.model.selector ? ['samples', 'array'] : ['samples'];
    const [tokens, ratings] = await this.plans.run(plan, inputs, signal, results);
    const { arrays, nonFinite } = tokens as Samples;
    return { tokens: arrays as Float32Array[], nonFinite, ratings: ratings as Float32Array | undefined };
  }
}

/** An index is needed unless sample b takes entry b, or all take the only one. */
function shared(entries: number, { index }: Spread): Shared {
  const inOrder = entries === index.length && index.every((entry, b) => entry === b);
  return { entries, indexed: entries > 1 && !inOrder };
}

function sharedOf(kept: Kept): Shared {
  return shared(kept.tensor.shape[0], kept);
}

function indexOf({ indexed }: Shared, { index }: Spread): HostArray[] {
  return indexed ? [Int32Array.from(index)] : [];
}

function withIndex(kept: Kept): (HostArray | DeviceTensor)[] {
  return [kept.tensor, ...indexOf(sharedOf(kept), kept)];
}
