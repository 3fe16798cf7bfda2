/** Our kernels at a layer's shapes against the libraries under PyTorch, in turns. */
import type { Device, DeviceTensor, Plan } from '../../lib/binding/native';
import { type ComputeDType, type KernelCase, layerCases, type LayerSize } from '../kernel-cases';
import { type Spread, spreadOf } from '../support/quantiles';
import type { Options } from './options';
import type { PeerProcess } from './peer-process';

export interface KernelResult {
  case: string;
  /** Milliseconds of one operation, the GPU's clock. */
  qavit: Spread;
  /** TFLOP/s, or GB/s where memory is the limit. */
  rate: number;
  unit: 'TFLOP/s' | 'GB/s';
  /** The product and its bias by cuBLASLt, or each attention of PyTorch. */
  peers: Record<string, Spread>;
  /** Time of the best peer over ours. */
  overBestPeer?: number;
}

/** Weights in turn fill the L2 of any chip this often, as a whole tower's do. */
const L2_BYTES = 64 * 2 ** 20;
const L2_FILLS = 3;
/** An operation is repeated within a graph for about this long, so that the graph's start vanishes. */
const GRAPH_MILLISECONDS = 2;
const MOST_REPEATS = 64;

export async function kernelContest(
  device: Device,
  torch: PeerProcess,
  size: LayerSize,
  batch: number,
  options: Options & { dtype: ComputeDType },
  report: (result: KernelResult) => void,
): Promise<void> {
  for (const entry of layerCases(size, batch, options.dtype)) report(await measure(device, torch, entry, options));
}

async function measure(
  device: Device,
  torch: PeerProcess,
  entry: KernelCase,
  { samples, rounds }: Options,
): Promise<KernelResult> {
  const once = await Prepared.make(device, entry, 1, 1);
  const repeats = Math.max(
    1,
    Math.min(MOST_REPEATS, Math.round(GRAPH_MILLISECONDS / Math.min(...(await once.run(5))))),
  );
  once.dispose();
  const fill = entry.weightBytes > 0 ? Math.ceil((L2_FILLS * L2_BYTES) / entry.weightBytes) : 1;
  const copies = Math.max(1, Math.min(repeats, fill));
  const own = await Prepared.make(device, entry, repeats, copies);
  const times: number[] = [];
  const peers: Record<string, number[]> = {};
  const count = Math.ceil(samples / rounds);
  for (let round = 0; round < rounds; round += 1) {
    times.push(...(await own.run(count)));
    for (const [name, more] of Object.entries(await peerTimes(torch, entry, { repeats, copies, count }))) {
      (peers[name] ??= []).push(...more);
    }
  }
  own.dispose();
  return resultOf(entry, times, peers);
}

async function peerTimes(
  torch: PeerProcess,
  { shape }: KernelCase,
  { repeats, copies, count }: { repeats: number; copies: number; count: number },
): Promise<Record<string, number[]>> {
  if (shape?.kind === 'product') return { cublas: await torch.product(shape, { repeats, copies, count }) };
  return shape ? torch.attention(shape, { repeats, count }) : {};
}

function resultOf(entry: KernelCase, times: number[], peerTimes: Record<string, number[]>): KernelResult {
  const qavit = spreadOf(times);
  const peers = Object.fromEntries(Object.entries(peerTimes).map(([name, ms]) => [name, spreadOf(ms)]));
  const best = Math.min(...Object.values(peers).map(({ median }) => median));
  return {
    case: entry.name,
    qavit,
    rate: entry.bytes === undefined ? entry.operations / qavit.median / 1e9 : entry.bytes / qavit.median / 1e6,
    unit: entry.bytes === undefined ? 'TFLOP/s' : 'GB/s',
    peers,
    ...(Number.isFinite(best) && { overBestPeer: best / qavit.median }),
  };
}

/** An operation, repeated in one plan, with its operands on the device. */
class Prepared {
  private constructor(
    private readonly device: Device,
    private readonly plan: Plan,
    private readonly inputs: readonly DeviceTensor[],
    private readonly repeats: number,
  ) {}

  static async make(device: Device, entry: KernelCase, repeats: number, copies: number): Promise<Prepared> {
    const { plan, weights, inputs } = await entry.prepare(device, repeats, copies);
    const kept = await Promise.all(inputs.map((data, i) => device.write(data, entry.inputs[i]!)));
    const compiled = device.compile(plan, weights);
    for (const weight of weights) weight.dispose();
    return new Prepared(device, compiled, kept, repeats);
  }

  /** Milliseconds of one operation. */
  async run(count: number): Promise<number[]> {
    const times: number[] = [];
    // The first runs load the kernel and record the graph.
    for (let i = -3; i < count; i += 1) {
      const before = this.device.statistics?.milliseconds ?? NaN;
      const results = await this.device.run(this.plan, this.inputs, { keep: [true] });
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
