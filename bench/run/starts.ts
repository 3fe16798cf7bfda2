/** From the start of a process to its first result, with files in the page cache: fresh processes, A B C A B C ... */
import type { Spec, Turn } from '../contestants/spec';
import { type Entrants, start } from './contest';
import type { Rounds } from './turns';

/** The first start of each does not count: it reads files from disk and compiles what is kept compiled. */
export async function starts(
  specs: readonly Spec[],
  rounds: number,
  starting = start,
): Promise<{ entrants: Entrants; times: Map<string, Rounds> }> {
  const entrants: Entrants = { contestants: [], missing: {} };
  const times = new Map<string, Rounds>();
  for (let round = -1; round < rounds; round += 1) {
    for (const spec of specs) {
      const { peer } = spec;
      if (peer in entrants.missing) continue;
      const began = performance.now();
      try {
        const contestant = await starting(spec);
        const ms = performance.now() - began;
        // One that fails now must not run on beside the others.
        const turn: Turn = await contestant.run(0).finally(() => contestant.stop());
        if (round < 0) entrants.contestants.push(contestant);
        else add(times, peer, ms, turn);
      } catch (error) {
        if (peer === 'qavit') throw error;
        entrants.missing[peer] = (error as Error).message;
        times.delete(peer);
      }
    }
  }
  entrants.contestants = entrants.contestants.filter(({ name }) => !(name in entrants.missing));
  return { entrants, times };
}

function add(times: Map<string, Rounds>, peer: string, ms: number, { peakBytes }: Turn): void {
  const all = times.get(peer) ?? { ms: [], cpuMs: [], peakBytes: 0, spentMs: 0 };
  all.ms.push([ms]);
  all.peakBytes = Math.max(all.peakBytes, peakBytes);
  times.set(peer, all);
}
