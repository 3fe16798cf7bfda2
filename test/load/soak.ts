import { random } from '../support/random';
import type { Client, Route } from './client';
import { inParallel } from './faults';
import { Counting, median, round, type Tally } from './tally';
import type { Pair } from './world';

export interface Soak {
  tally: Tally;
  seconds: number;
  /** Requests before those, in which allocators and V8's compilers settle. */
  warmUp: number;
  /** Resident memory of the server at the beginning and at the end, medians over a quarter of the requests each, MiB: it goes up and down by some per cent. */
  memoryMiB: { before: number; after: number };
  /** The lowest that V8's heap fell to in the first and in the last quarter: what no collection could free, MiB. */
  heapFloorMiB: { before: number; after: number };
  growthPercent: number;
}

/** Reads of the server's memory. */
const SAMPLES = 200;
const MIB = 2 ** 20;

/** Many requests of all kinds, some aborted; every answer is compared, and the server's memory watched. */
export async function soak(client: Client, pairs: readonly Pair[], count: number, warmUp = count / 2): Promise<Soak> {
  await run(client, pairs, warmUp, new Counting());
  const counting = new Counting();
  const start = performance.now();
  const memory = await run(client, pairs, count, counting);
  const share = (from: number, to: number, of: (sample: Memory) => number): number[] =>
    memory.slice(Math.floor(memory.length * from), Math.ceil(memory.length * to)).map(of);
  const resident = [share(0, 0.25, ({ rss }) => rss), share(0.75, 1, ({ rss }) => rss)].map(median);
  const floors = [share(0, 0.25, ({ heap }) => heap), share(0.75, 1, ({ heap }) => heap)].map((all) =>
    Math.min(...all),
  );
  const [before, after] = resident as [number, number];
  const mib = (value: number | undefined): number => round((value ?? NaN) / MIB);
  return {
    tally: counting.tally,
    seconds: round((performance.now() - start) / 1000),
    warmUp,
    memoryMiB: { before: mib(before), after: mib(after) },
    heapFloorMiB: { before: mib(floors[0]), after: mib(floors[1]) },
    growthPercent: round((after / before - 1) * 100),
  };
}

interface Memory {
  rss: number;
  heap: number;
}

async function run(client: Client, pairs: readonly Pair[], count: number, counting: Counting): Promise<Memory[]> {
  const next = random(11);
  const memory: Memory[] = [];
  await inParallel(count, 16, async (i) => {
    const kind = next();
    const route: Route = kind < 0.2 ? 'chat' : kind < 0.4 ? 'stream' : 'tokens';
    const signal = next() < 0.05 ? AbortSignal.timeout(Math.floor(next() * 10)) : undefined;
    await counting.count(client.ask(pairs[Math.floor(next() * pairs.length)]!, route, signal));
    if (i % Math.ceil(count / SAMPLES) > 0) return;
    const [rss, heap] = await Promise.all([
      client.metric('process_resident_memory_bytes'),
      client.metric('nodejs_heap_size_used_bytes'),
    ]);
    memory.push({ rss, heap });
  });
  return memory;
}
