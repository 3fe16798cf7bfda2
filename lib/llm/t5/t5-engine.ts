import type { Device, DeviceTensor, HostArray, Plan } from '../../binding/native';
import { untilAborted } from '../../calls/abort';
import type { GraphOptions } from '../../graph';
import { asTensors, ParameterStore, PlanRunner } from '../../weights';
import { admitPlan, allLayers, featuresPlan, growPlan, readPlan, regroupPlan, stepPlan } from './plans';
import { PIECE_WORK, promptPieces } from './prompt-pieces';
import type { T5Model } from './t5-model';

/** Rows a cache begins with: published answers have at most 30 tokens. */
const FIRST_CAPACITY = 32;

/** Text around the visual tokens. */
export interface PromptTokens {
  readonly before: readonly number[];
  /** [N, E] */
  readonly visual: Float32Array;
  readonly after: readonly number[];
}

/** A prompt that was read: for each layer of the decoder its keys and values, [1, M, 2I]. */
export interface PromptRead {
  readonly cross: readonly DeviceTensor[];
  /** Rows that count; the others are padding. */
  readonly length: number;
}

/** Of answers that are written together, for each layer of the decoder. */
export interface AnswerMemory {
  /** Keys and values of the prompts, [S, M, 2I]. */
  readonly cross: readonly DeviceTensor[];
  /** Those of what was said, [S, N, 2I], which a step appends to. */
  readonly caches: readonly DeviceTensor[];
}

/** For each slot. */
export interface StepCounts {
  /** What was said last. */
  readonly tokens: readonly number[];
  /** How many tokens were said before it. */
  readonly positions: readonly number[];
  /** Rows of the prompt that count. */
  readonly promptRows: readonly number[];
}

/** Runs a T5's plans on a device. Knows token ids and tensors, nothing of text. */
export class T5Engine {
  private readonly plans: PlanRunner;
  private readonly options: GraphOptions;
  /** Settles when all prompts have been read that were asked for. Never rejects. */
  private reading: Promise<unknown> = Promise.resolve();

  /** @param pieceWork multiply-adds of a piece of a prompt; a GPU reads whole ones in milliseconds */
  constructor(
    readonly device: Device,
    readonly model: T5Model,
    dtype: 'f32' | 'bf16',
    private readonly pieceWork = device.info.kind === 'cuda' ? Infinity : PIECE_WORK,
  ) {
    this.plans = new PlanRunner(device, new ParameterStore(device, dtype));
    this.options = { dtype, stream: 'f32' };
  }

  /** Makes all parameters resident, so that the files can be closed. */
  async prepare(signal?: AbortSignal): Promise<void> {
    const { model, options } = this;
    const graphs = [
      readPlan(model, options, { before: 0, visual: 1, after: 1 }, allLayers(model)),
      featuresPlan(model, options, 1, 'encoder'),
      stepPlan(model, options, { slots: 1, capacity: 1, prompt: 1 }),
    ];
    await this.plans.prepare(graphs, signal);
  }

  /** @returns f32 [K, E] */
  async features(ids: readonly number[], kind: 'encoder' | 'embedding', signal: AbortSignal): Promise<Float32Array> {
    const tokens = plannedTokens(ids.length);
    const plan = await this.plans.plan(`${kind} ${tokens}`, () => featuresPlan(this.model, this.options, tokens, kind));
    const inputs = [padded(ids, tokens), ...(kind === 'encoder' ? [Int32Array.of(ids.length)] : [])];
    const [rows] = (await this.plans.run(plan, inputs, signal)) as [Float32Array];
    return rows.slice(0, ids.length * this.model.config.width);
  }

  /**
   * Reads a prompt in pieces, so that answers under way go on between them. Prompts wait for each other: in turns, all would be late. One
   * that is aborted does not wait for its turn.
   *
   * The caller disposes of what it gets.
   */
  read(prompt: PromptTokens, signal: AbortSignal): Promise<PromptRead> {
    const reading = this.reading.then(() => this.readPieces(prompt, signal));
    this.reading = reading
      .then(({ cross }) => {
        // Nobody gets what was read.
        if (signal.aborted) disposeAll(cross);
      })
      .catch(() => undefined);
    return untilAborted(reading, signal, 'generate');
  }

  private async readPieces({ before, visual, after }: PromptTokens, signal: AbortSignal): Promise<PromptRead> {
    const { config, decoder } = this.model;
    const count = visual.length / config.width;
    const size = { before: before.length, visual: count, after: after.length && plannedTokens(after.length) };
    const length = before.length + count + after.length;
    const start: HostArray[] = [visual];
    if (before.length > 0) start.unshift(Int32Array.from(before));
    if (size.after > 0) start.push(padded(after, size.after));
    const counted = Int32Array.of(length);
    let rows: DeviceTensor[] = [];
    for (const range of promptPieces(config, size.before + count + size.after, this.pieceWork)) {
      const given = rows;
      try {
        const key = `read ${JSON.stringify({ ...size, ...range })}`;
        const plan = await this.plans.plan(key, () => readPlan(this.model, this.options, size, range));
        const count = range.to < config.encoderLayers ? 1 : decoder.layers.length;
        const inputs = [...(range.from === 0 ? start : given), counted];
        rows = (await this.plans.run(plan, inputs, signal, asTensors(count))) as DeviceTensor[];
      } finally {
        disposeAll(given);
      }
    }
    return { cross: rows, length };
  }

  /** @returns empty caches [1, N, 2I], one a layer of the decoder */
  async emptyCaches(): Promise<DeviceTensor[]> {
    const { heads, headWidth } = this.model.config;
    const shape: [number, number, number] = [1, FIRST_CAPACITY, 2 * heads * headWidth];
    const Zeros = this.options.dtype === 'f32' ? Float32Array : Uint16Array;
    const zeros = new Zeros(shape[1] * shape[2]);
    const { dtype } = this.options;
    return Promise.all(this.model.decoder.layers.map(() => this.device.write(zeros, { dtype, shape })));
  }

  /** @returns caches [S, 2N, 2I] that begin with these [S, N, 2I] */
  async grow(caches: readonly DeviceTensor[], signal: AbortSignal): Promise<DeviceTensor[]> {
    const [slots, capacity] = sizeOf(caches);
    const plan = await this.plans.plan(`grow ${slots} ${capacity}`, () =>
      growPlan(this.model, this.options, { slots, capacity }),
    );
    return this.keepAll(plan, caches, signal);
  }

  /** @returns of tensors [S, rows, 2I] those slots that `index` names, in its order */
  async regroup(
    tensors: readonly DeviceTensor[],
    index: readonly number[],
    signal: AbortSignal,
  ): Promise<DeviceTensor[]> {
    const [slots, rows] = sizeOf(tensors);
    const size = { slots, wanted: index.length, rows, tensors: tensors.length };
    const plan = await this.plans.plan(`regroup ${JSON.stringify(size)}`, () =>
      regroupPlan(this.model, this.options, size),
    );
    return this.keepAll(plan, tensors, signal, Int32Array.from(index));
  }

  /** Writes a prompt into a slot of those that are there, [S, M, 2I]. */
  async admit(all: readonly DeviceTensor[], slot: number, { cross }: PromptRead, signal: AbortSignal): Promise<void> {
    const [slots, prompt] = sizeOf(all);
    const plan = await this.plans.plan(`admit ${slots} ${prompt}`, () =>
      admitPlan(this.model, this.options, { slots, prompt }),
    );
    const layers = all.flatMap((tensor, i) => [tensor, cross[i] as DeviceTensor]);
    await this.plans.run(plan, [Int32Array.of(slot * prompt), ...layers], signal);
  }

  /** @returns logits [S, V] of the tokens behind those that were said last */
  async step(
    { tokens, positions, promptRows }: StepCounts,
    { cross, caches }: AnswerMemory,
    signal: AbortSignal,
  ): Promise<Float32Array> {
    const [[slots, capacity], [, prompt]] = [sizeOf(caches), sizeOf(cross)];
    const plan = await this.plans.plan(`step ${slots} ${capacity} ${prompt}`, () =>
      stepPlan(this.model, this.options, { slots, capacity, prompt }),
    );
    const layers = cross.flatMap((tensor, i) => [tensor, caches[i] as DeviceTensor]);
    const lengths = positions.map((position) => position + 1);
    const counts = [tokens, positions, lengths, promptRows].map((list) => Int32Array.from(list));
    const [logits] = (await this.plans.run(plan, [...counts, ...layers], signal)) as [Float32Array];
    return logits;
  }

  /** @returns as many tensors as there were */
  private async keepAll(
    plan: Plan,
    tensors: readonly DeviceTensor[],
    signal: AbortSignal,
    ...before: HostArray[]
  ): Promise<DeviceTensor[]> {
    const results = asTensors(tensors.length);
    return (await this.plans.run(plan, [...before, ...tensors], signal, results)) as DeviceTensor[];
  }
}

export function disposeAll(tensors: readonly DeviceTensor[]): void {
  for (const tensor of tensors) tensor.dispose();
}

/** How many slots, and rows in each. */
function sizeOf([first]: readonly DeviceTensor[]): [slots: number, rows: number] {
  return first ? [first.shape[0], first.shape[1]] : [0, 0];
}

/** Text lengths that plans are made for: one serves many questions, and padding costs little beside the visual tokens. */
function plannedTokens(count: number): number {
  return [8, 16, 32, 64].find((length) => length >= count) ?? Math.ceil(count / 64) * 64;
}

/** Which token stands for padding is no matter: nothing looks at it. */
function padded(ids: readonly number[], length: number): Int32Array {
  const index = new Int32Array(length);
  index.set(ids);
  return index;
}
