import type { Device, DeviceTensor, HostArray, Plan } from '../../binding/native';
import { withAbortFlag } from '../../calls/abort';
import { compile, type Graph, type GraphOptions, parametersOf, PlanCache } from '../../graph';
import { ParameterStore } from '../../weights';
import { featuresPlan, growPlan, readPlan, stepPlan } from './plans';
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

/** Runs a T5's plans on a device. Knows token ids and tensors, nothing of text. */
export class T5Engine {
  private readonly plans = new PlanCache();
  private readonly store: ParameterStore;
  private readonly options: GraphOptions;

  constructor(
    readonly device: Device,
    readonly model: T5Model,
    dtype: 'f32' | 'bf16',
  ) {
    this.store = new ParameterStore(device, dtype);
    this.options = { dtype, stream: 'f32' };
  }

  /** Makes all parameters resident, so that the files can be closed. */
  async prepare(): Promise<void> {
    const { model, options } = this;
    const graphs = [
      readPlan(model, options, { before: 0, visual: 1, after: 1 }),
      featuresPlan(model, options, 1, 'encoder'),
      stepPlan(model, options, { capacity: 1, prompt: 1 }),
    ];
    await this.store.ensure([...new Set(graphs.flatMap(parametersOf))]);
  }

  /** @returns f32 [K, E] */
  async features(ids: readonly number[], kind: 'encoder' | 'embedding', signal: AbortSignal): Promise<Float32Array> {
    const tokens = plannedTokens(ids.length);
    const plan = await this.plan(`${kind} ${tokens}`, () => featuresPlan(this.model, this.options, tokens, kind));
    const inputs = [padded(ids, tokens), ...(kind === 'encoder' ? [Int32Array.of(ids.length)] : [])];
    const [rows] = (await this.run(plan, inputs, signal)) as [Float32Array];
    return rows.slice(0, ids.length * this.model.config.width);
  }

  /** The caller disposes of what it gets. */
  async read({ before, visual, after }: PromptTokens, signal: AbortSignal): Promise<PromptRead> {
    const rows = visual.length / this.model.config.width;
    const size = { before: before.length, visual: rows, after: after.length && plannedTokens(after.length) };
    const plan = await this.plan(`read ${JSON.stringify(size)}`, () => readPlan(this.model, this.options, size));
    const length = before.length + rows + after.length;
    const inputs: HostArray[] = [visual, Int32Array.of(length)];
    if (before.length > 0) inputs.unshift(Int32Array.from(before));
    if (size.after > 0) inputs.splice(-1, 0, padded(after, size.after));
    const keep = this.model.decoder.layers.map(() => true);
    return { cross: (await this.run(plan, inputs, signal, keep)) as DeviceTensor[], length };
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

  /** @returns caches of twice the rows that begin with these */
  async grow(caches: readonly DeviceTensor[], signal: AbortSignal): Promise<DeviceTensor[]> {
    const capacity = caches[0]?.shape[1] ?? FIRST_CAPACITY;
    const plan = await this.plan(`grow ${capacity}`, () => growPlan(this.model, this.options, capacity));
    return (await this.run(
      plan,
      caches,
      signal,
      caches.map(() => true),
    )) as DeviceTensor[];
  }

  /** @returns logits [V] of the token behind `token`, which stands at `position` */
  async step(
    token: number,
    position: number,
    { cross, length }: PromptRead,
    caches: readonly DeviceTensor[],
    signal: AbortSignal,
  ): Promise<Float32Array> {
    const size = { capacity: caches[0]?.shape[1] ?? 0, prompt: cross[0]?.shape[1] ?? 0 };
    const plan = await this.plan(`step ${size.capacity} ${size.prompt}`, () =>
      stepPlan(this.model, this.options, size),
    );
    const layers = cross.flatMap((tensor, i) => [tensor, caches[i] as DeviceTensor]);
    const counts = [token, position, position + 1, length].map((n) => Int32Array.of(n));
    const [logits] = (await this.run(plan, [...counts, ...layers], signal)) as [Float32Array];
    return logits;
  }

  private plan(key: string, trace: () => Graph): Promise<Plan> {
    return this.plans.get(key, async () => {
      const graph = trace();
      await this.store.ensure(parametersOf(graph));
      return compile(graph, this.device, this.store.weightOf);
    });
  }

  private run(plan: Plan, inputs: readonly (HostArray | DeviceTensor)[], signal: AbortSignal, keep?: boolean[]) {
    return withAbortFlag(signal, (abort) => this.device.run(plan, inputs, { keep, abort }));
  }
}

/** One answer under way: the prompt, which it owns from now on, and a cache for each layer of the decoder, which grows by doubling. */
export class T5Answer {
  private said = 0;
  private caches: readonly DeviceTensor[] = [];

  constructor(
    private readonly engine: T5Engine,
    private readonly prompt: PromptRead,
  ) {}

  /** @returns logits [V] of what follows `token` */
  async next(token: number, signal: AbortSignal): Promise<Float32Array> {
    if (this.said === 0) this.caches = await this.engine.emptyCaches();
    if (this.said === this.caches[0]?.shape[1]) {
      const full = this.caches;
      this.caches = await this.engine.grow(full, signal);
      for (const cache of full) cache.dispose();
    }
    return this.engine.step(token, this.said++, this.prompt, this.caches, signal);
  }

  dispose(): void {
    for (const tensor of [...this.caches, ...this.prompt.cross]) tensor.dispose();
  }
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
