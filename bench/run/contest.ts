/**
 * One case: every contestant a resident process, all in turns.
 *
 * A fresh process for each trial, as is usual where a trial leaves traces in a heap or a cache of compiled code, would load 1.2 GB
 * and, for torch.compile, compile for a minute before a single repeat of two seconds: the rounds would lie so far apart that on a
 * shared machine nothing would be compared any more. So processes stay, one for each contestant and case, none of them computes
 * outside its turn, and the first repeat of a turn does not count. Starting is a case of its own (`load`, in fresh processes).
 */
import { rmSync } from 'node:fs';
import type { Case } from '../cases';
import type { About, Answer, Spec, Turn } from '../contestants/spec';
import { commandOf } from '../peers';
import { quantile } from '../support/quantiles';
import { Resident } from '../support/resident';
import { type Player, repeatsFor, type Rounds, takeTurns } from './turns';

/** torch.compile of a large tower with every template tried at every shape takes some minutes on two busy cores. */
const TIMEOUT_SECONDS = 900;

export interface Contestant extends Player {
  about: About;
  /** Writes what it computed last, f32, into a file. */
  result(file: string): Promise<void>;
  stop(): Promise<void>;
}

async function ask<T>(resident: Resident, request: object): Promise<T> {
  const answer = await resident.ask<Answer<T>>(JSON.stringify(request));
  if ('error' in answer) throw new Error(answer.error);
  return answer.ok;
}

/** Resolves when it has done the work once. @throws Error why it could not */
export async function start(spec: Spec): Promise<Contestant> {
  const { command, args, ...options } = commandOf(spec);
  const resident = new Resident(spec.peer, command, args, { ...options, timeoutSeconds: TIMEOUT_SECONDS, quiet: true });
  const first = await resident.answer<Answer<About>>();
  if ('error' in first) {
    await resident.stop();
    throw new Error(first.error);
  }
  return {
    name: spec.peer,
    about: first.ok,
    run: (count) => ask<Turn>(resident, { do: 'run', count }),
    result: (file) => ask(resident, { do: 'result', file }),
    stop: () => resident.stop(),
  };
}

export interface Entrants {
  contestants: Contestant[];
  /** Why a peer is missing. */
  missing: Record<string, string>;
}

/** Starts one after the other; qavit must, a peer that cannot is told about. */
export async function enter(specs: readonly Spec[], starting = start): Promise<Entrants> {
  const entrants: Entrants = { contestants: [], missing: {} };
  for (const spec of specs) {
    try {
      entrants.contestants.push(await starting(spec));
    } catch (error) {
      if (spec.peer === 'qavit') throw error;
      entrants.missing[spec.peer] = (error as Error).message;
    }
  }
  return entrants;
}

/** Takes those out that compute something else, or cannot say what; returns how well each agrees. */
export async function verify(
  entrants: Entrants,
  scratch: string,
  agreementOf: (file: string, name: string) => number,
  least: number,
): Promise<Record<string, number>> {
  const agreement: Record<string, number> = {};
  for (const contestant of [...entrants.contestants]) {
    const { name } = contestant;
    try {
      await contestant.result(scratch);
      const found = agreementOf(scratch, name);
      agreement[name] = found;
      if (found >= least) continue;
      throw new Error(
        `it computes something else: agreement ${found.toPrecision(4)}, at least ${least} is the same work`,
      );
    } catch (error) {
      if (name === 'qavit') throw error;
      entrants.missing[name] = (error as Error).message;
    } finally {
      rmSync(scratch, { force: true });
    }
    entrants.contestants.splice(entrants.contestants.indexOf(contestant), 1);
    await contestant.stop();
  }
  return agreement;
}

/** Who fails meanwhile is missing from then on. */
export async function compete({ contestants, missing }: Entrants, rounds: number): Promise<Map<string, Rounds>> {
  const [own] = contestants;
  const { ms } = await own!.run(1);
  const found = await takeTurns(contestants, { rounds, ...repeatsFor(quantile(ms, 0)) });
  Object.assign(missing, found.missing);
  return found.times;
}

/** @param at the picture's file, or the model's folder */
export function specOf(
  entry: Exclude<Case, { kind: 'kernels' }>,
  peer: string,
  { threads, compile }: Pick<Spec, 'threads' | 'compile'>,
  at: string,
): Spec {
  const place = entry.kind === 'preprocess' ? { file: at } : { directory: at };
  return { ...entry, ...place, peer, threads, compile };
}
