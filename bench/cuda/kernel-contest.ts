/** Our kernels at a layer's shapes against the libraries under PyTorch, in turns. */
import type { Device } from '../../lib/binding/native';
import { type ComputeDType, type KernelCase, layerCases, type LayerSize } from '../kernel-cases';
import { type Spread, spreadOf } from '../support/quantiles';
import type { Options } from './options';
import type { PeerProcess } from './peer-process';
import { RepeatedOperation } from './repeated-operation';

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
  /** Why peers are missing. */
  failed?: string;
}

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
  const own = await RepeatedOperation.make(device, entry);
  const { repeats, copies } = own;
  const times: number[] = [];
  const peers: Record<string, number[]> = {};
  const count = Math.ceil(samples / rounds);
  let failed: string | undefined;
  for (let round = 0; round < rounds; round += 1) {
    times.push(...(await own.run(count)));
    if (failed !== undefined) continue;
    try {
      for (const [name, more] of Object.entries(await peerTimes(torch, entry, { repeats, copies, count }))) {
        (peers[name] ??= []).push(...more);
      }
    } catch (error) {
      failed = (error as Error).message;
    }
  }
  own.dispose();
  return { ...resultOf(entry, times, peers), ...(failed !== undefined && { failed }) };
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
