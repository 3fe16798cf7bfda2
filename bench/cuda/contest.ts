/** One case, all contestants in turns. */
import type { DeviceStatistics } from '../../lib/binding/native';
import { type Spread, spreadOf } from '../support/quantiles';
import { type Case, gflopOf, nameOf } from './cases';
import type { Options, TorchPeer } from './options';
import type { OwnTower, Times } from './own-tower';
import type { PeerProcess } from './peer-process';

export interface Row {
  /** Milliseconds. */
  gpu: Spread;
  call: Spread;
  /** Pairs of picture and question a second, by the call. */
  pairsPerSecond: number;
  /** By the GPU's clock; with copies, which that counts for some and not for others, by the call. */
  tflops: number;
}

export interface ContestResult {
  case: string;
  pairs: number;
  questionsPerImage: number;
  gflop: number;
  /** By contestant: everything on the GPU, and from and to host memory. */
  contestants: Record<string, { device: Row; copies: Row }>;
  /** TFLOP/s of the large product, around this case. */
  ceiling: number[];
  /** Seconds that compiling and warming up took. */
  prepared: Record<string, number>;
  /** How qavit's plans ran: all but the first few as graphs, or something is wrong. */
  plans: Pick<DeviceStatistics, 'launched' | 'recorded' | 'replayed'>;
  /** Why a contestant is missing. */
  failed: Record<string, string>;
}

/** Long enough for clocks to rise and lazily loaded code to be there. */
const WARM_SECONDS = 0.5;
const CEILING_SAMPLES = 10;

interface Contestant {
  name: string;
  run: (copies: boolean, count: number) => Promise<Times>;
}

/** @param serial qavit with kernels that do not overlap, where that is a peer */
export async function contest(
  own: OwnTower,
  serial: OwnTower | undefined,
  torch: PeerProcess,
  entry: Case,
  { peers, samples, rounds }: Options,
): Promise<ContestResult> {
  const gflop = gflopOf(own.size, entry);
  const result: ContestResult = {
    case: nameOf(entry),
    pairs: entry.pairs,
    questionsPerImage: entry.perImage,
    gflop,
    contestants: {},
    ceiling: [],
    prepared: {},
    plans: { launched: 0, recorded: 0, replayed: 0 },
    failed: {},
  };
  const before = own.statistics;
  const contestants: Contestant[] = [];
  const enter = async (name: string, prepare: () => Promise<unknown>, run: Contestant['run']): Promise<void> => {
    const start = performance.now();
    try {
      await prepare();
      contestants.push({ name, run });
      result.prepared[name] = (performance.now() - start) / 1e3;
    } catch (error) {
      result.failed[name] = (error as Error).message;
    }
  };
  for (const peer of peers) {
    if (peer !== 'serial') await enter(peer, () => torch.prepare(peer, entry), bound(torch, peer, entry));
    else if (serial) await enter(peer, () => serial.warm(entry, WARM_SECONDS), serial.run.bind(serial, entry));
  }
  await enter('qavit', () => own.warm(entry, WARM_SECONDS), own.run.bind(own, entry));
  // It has the first turn, prepared last.
  contestants.sort((a, b) => Number(b.name === 'qavit') - Number(a.name === 'qavit'));

  const times = new Map(contestants.map(({ name }) => [name, { device: none(), copies: none() }]));
  const turn = Math.ceil(samples / rounds);
  for (let round = 0; round < rounds; round += 1) {
    result.ceiling.push(...(await torch.ceiling(Math.ceil(CEILING_SAMPLES / rounds))));
    for (const place of ['device', 'copies'] as const) {
      for (const { name, run } of contestants) {
        if (name in result.failed) continue;
        try {
          const { gpu, call } = await run(place === 'copies', turn);
          const all = times.get(name)![place];
          all.gpu.push(...gpu);
          all.call.push(...call);
        } catch (error) {
          result.failed[name] = (error as Error).message;
          times.delete(name);
        }
      }
    }
  }
  for (const [name, { device, copies }] of times) {
    result.contestants[name] = {
      device: rowOf(device, entry, gflop, 'gpu'),
      copies: rowOf(copies, entry, gflop, 'call'),
    };
  }
  const after = own.statistics;
  for (const count of ['launched', 'recorded', 'replayed'] as const) result.plans[count] = after[count] - before[count];
  await own.release(entry);
  await serial?.release(entry);
  return result;
}

const none = (): Times => ({ gpu: [], call: [] });

const bound =
  (torch: PeerProcess, peer: TorchPeer, entry: Case): Contestant['run'] =>
  (copies, count) =>
    torch.run(peer, entry, copies, count);

function rowOf(times: Times, { pairs }: Case, gflop: number, by: keyof Times): Row {
  const [gpu, call] = [spreadOf(times.gpu), spreadOf(times.call)];
  const tflops = gflop / { gpu, call }[by].median;
  return { gpu, call, pairsPerSecond: (pairs / call.median) * 1e3, tflops };
}
