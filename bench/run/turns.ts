/** The order in which contestants are measured. */
import { setTimeout as delay } from 'node:timers/promises';
import { quantile, type Spread, spreadOf } from '../support/quantiles';
import type { Turn } from '../contestants/spec';

export interface Player {
  name: string;
  run(count: number): Promise<Turn>;
}

/** Of one contestant, a list of repeats for each round. */
export interface Rounds {
  ms: number[][];
  cpuMs: number[][];
  peakBytes: number;
  /** Computed by all repeats together, those that do not count too. */
  spentMs: number;
}

/** Threads of OpenMP and of ONNX Runtime go on spinning after their work is done, for up to 0.2 s, on the cores of whoever is next. */
const PAUSE_MILLISECONDS = 300;

/**
 * A B C A B C ...: whatever slows the machine for a while slows all alike, and what is compared is what ran within the same round.
 * Without the first there is nothing to compare; another that fails has no times, and a reason in `missing`.
 *
 * @param count repeats of a turn
 * @param warm repeats before them that do not count, because whoever ran before left other things in the caches
 */
export async function takeTurns(
  players: readonly Player[],
  { rounds, count, warm }: { rounds: number; count: number; warm: number },
): Promise<{ times: Map<string, Rounds>; missing: Record<string, string> }> {
  const missing: Record<string, string> = {};
  const times = new Map(
    players.map(({ name }): [string, Rounds] => [name, { ms: [], cpuMs: [], peakBytes: 0, spentMs: 0 }]),
  );
  for (let round = 0; round < rounds; round += 1) {
    for (const player of players) {
      const all = times.get(player.name);
      if (!all) continue;
      await delay(PAUSE_MILLISECONDS);
      try {
        add(all, await player.run(warm + count), warm);
      } catch (error) {
        if (player === players[0]) throw error;
        missing[player.name] = (error as Error).message;
        times.delete(player.name);
      }
    }
  }
  return { times, missing };
}

function add(all: Rounds, { ms, cpuMs, peakBytes }: Turn, warm: number): void {
  all.ms.push(ms.slice(warm));
  all.cpuMs.push(cpuMs.slice(warm));
  all.spentMs += cpuMs.reduce((sum, value) => sum + value, 0);
  all.peakBytes = Math.max(all.peakBytes, peakBytes);
}

/** A turn of about this long sees the machine as it is, and few changes of what it is. */
const TURN_MILLISECONDS = 1500;
const MOST_REPEATS = 20;
/** Caches are filled again within a few dozen milliseconds: of what takes longer, the first repeat counts. */
const WARM_BELOW_MILLISECONDS = 1000;

export function repeatsFor(milliseconds: number): { count: number; warm: number } {
  const count = Math.max(1, Math.min(MOST_REPEATS, Math.round(TURN_MILLISECONDS / milliseconds)));
  return { count, warm: milliseconds < WARM_BELOW_MILLISECONDS ? 1 : 0 };
}

/** A peer's time over ours, round by round. */
export function ratioOf(peer: Rounds, own: Rounds): Spread & { rounds: number[] } {
  const median = (ms: number[] | undefined): number => quantile(ms ?? [], 0.5);
  const rounds = own.ms.map((ms, i) => median(peer.ms[i]) / median(ms));
  return { ...spreadOf(rounds), rounds };
}
