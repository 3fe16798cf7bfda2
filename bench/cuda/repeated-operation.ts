/** An operation, repeated in one plan, with its operands on the device. */
import type { Device, DeviceTensor, Plan } from '../../lib/binding/native';
import type { KernelCase } from '../kernel-cases';

/** Weights in turn fill the L2 of any chip this often, as a whole tower's do. */
const L2_BYTES = 64 * 2 ** 20;
const L2_FILLS = 3;
/** An operation is repeated within a graph for about this long, so that the graph's start vanishes. */
const GRAPH_MILLISECONDS = 2;
const MOST_REPEATS = 64;

export class RepeatedOperation {
  private constructor(
    private readonly device: Device,
    private readonly plan: Plan,
    private readonly inputs: readonly DeviceTensor[],
    readonly repeats: number,
    /** Sets of weights, taken in turn. */
    readonly copies: number,
  ) {}

  /** As often as makes a graph long enough. */
  static async make(device: Device, entry: KernelCase): Promise<RepeatedOperation> {
    const once = await this.repeat(device, entry, 1, 1);
    const milliseconds = Math.min(...(await once.run(5)));
    once.dispose();
    const repeats = Math.max(1, Math.min(MOST_REPEATS, Math.round(GRAPH_MILLISECONDS / milliseconds)));
    const fill = entry.weightBytes > 0 ? Math.ceil((L2_FILLS * L2_BYTES) / entry.weightBytes) : 1;
    return this.repeat(device, entry, repeats, Math.max(1, Math.min(repeats, fill)));
  }

  private static async repeat(device: Device, entry: KernelCase, repeats: number, copies: number) {
    const { plan, weights, inputs } = await entry.prepare(device, repeats, copies);
    const kept = await Promise.all(inputs.map((data, i) => device.write(data, entry.inputs[i]!)));
    const compiled = device.compile(plan, weights);
    for (const weight of weights) weight.dispose();
    return new RepeatedOperation(device, compiled, kept, repeats, copies);
  }

  /** Milliseconds of one operation. */
  async run(count: number): Promise<number[]> {
    const times: number[] = [];
    // The first runs load the kernel and record the graph.
    for (let i = -3; i < count; i += 1) {
      const before = this.device.statistics?.milliseconds ?? NaN;
      const results = await this.device.run(this.plan, this.inputs, { results: ['tensor'] });
      const after = this.device.statistics?.milliseconds ?? NaN;
      for (const result of results) if ('dispose' in result) result.dispose();
      if (i >= 0) times.push((after - before) / this.repeats);
    }
    return times;
  }

  dispose(): void {
    this.plan.dispose();
    for (const input of this.inputs) input.dispose();
  }
}
