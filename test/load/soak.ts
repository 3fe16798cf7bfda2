import { random } from '../support/random';
import type { Client, Route } from './client';
import { inParallel } from './faults';
import { Counting, median, round, type Tally } from './tally';
import type { Pair } from './world';

export interface Soak {
  tally: Tally;
  seconds: number;
  /** Resident memory of the server after warming up and at the end, medians over a tenth of the requests each, MiB. */
  memoryMiB: { before: number; after: number };
  growthPercent: number;
}

/** Reads of the server's memory. */
const SAMPLES = 200;
const MIB = 2 ** 20;

/** Many requests of all kinds, some aborted; every answer is compared, and the server's memory watched. */
export async function soak(client: Client, pairs: readonly Pair[], count: number): Promise<Soak> {
  const next = random(11);
  const counting = new Counting();
  const memory: number[] = [];
  const start = performance.now();
  await inParallel(count, 16, async (i) => {
    const kind = next();
    const route: Route = kind < 0.2 ? 'chat' : kind < 0.4 ? 'stream' : 'tokens';
    const signal = next() < 0.05 ? AbortSignal.timeout(Math.floor(next() * 10)) : undefined;
    await counting.count(client.ask(pairs[Math.floor(next() * pairs.length)]!, route, signal));
    if (i % Math.ceil(count / SAMPLES) === 0) memory.push(await client.metric('process_resident_memory_bytes'));
  });
  // Allocators and the compiler of V8 settle within the first part.
  const [early, late] = [0.4, 0.9].map((share) => {
    const at = Math.floor(memory.length * share);
    return median(memory.slice(at, at + Math.ceil(memory.length / 10)));
  }) as [number, number];
  return {
    tally: counting.tally,
    seconds: round((performance.now() - start) / 1000),
    memoryMiB: { before: round(early / MIB), after: round(late / MIB) },
    growthPercent: round((late / early - 1) * 100),
  };
}
