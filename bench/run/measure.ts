/** One case from its name to its result. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Case } from '../cases';
import type { Spec } from '../contestants/spec';
import type { Clock, Options } from '../options';
import { needsOnnx, type Peer, peersOf } from '../peers';
import { type AnyResult, caseResult } from '../report/results';
import { busyMilliseconds, machine } from '../support/machine';
import { expectedTokens, LEAST_COSINE, lowestCosine, readFloats } from './agreement';
import { compete, enter, type Entrants, specOf, verify } from './contest';
import { measureKernels } from './kernels';
import type { Models } from './models';
import { starts } from './starts';
import type { Rounds } from './turns';

type Competed = Exclude<Case, { kind: 'kernels' }>;

export async function measure(entry: Case, models: Models, options: Options): Promise<AnyResult> {
  if (entry.kind === 'kernels') return measureKernels(entry, options);
  const { threads, rounds } = options;
  const peers = peersOf(entry).filter((peer) => options.peers.includes(peer));
  const { specs, missing } = specsOf(entry, peers, models, options);
  if (entry.kind === 'load') {
    const { entrants, times } = await starts(specs, rounds);
    return resultOf(
      entry,
      { threads, clock: 'wall' },
      { ...entrants, missing: { ...missing, ...entrants.missing } },
      times,
      {},
      undefined,
    );
  }
  const entrants = await enter(specs);
  Object.assign(entrants.missing, missing);
  try {
    const agreement = await agreementOf(entry, entrants, models);
    const [began, busy] = [performance.now(), busyMilliseconds()];
    const times = await compete(entrants, rounds);
    const wall = performance.now() - began;
    // An answer is written by the language model's own process, whose time the model's does not count.
    const counted = entry.kind !== 'ask';
    const others = counted ? othersShare(times, wall, busy) : undefined;
    const clock = counted ? options.clock : 'wall';
    return resultOf(entry, { threads, clock }, entrants, byClock(times, clock), agreement, others);
  } finally {
    for (const contestant of entrants.contestants) await contestant.stop();
  }
}

/** What each contestant needs is made here; a peer whose model cannot be made is missing. */
function specsOf(entry: Competed, peers: readonly Peer[], models: Models, options: Options) {
  const missing: Record<string, string> = {};
  const at = placeOf(entry, models);
  const specs: Spec[] = [specOf(entry, 'qavit', options, at)];
  for (const peer of peers) {
    try {
      if ('tower' in entry && needsOnnx(peer)) models.exported(entry.tower);
      specs.push(specOf(entry, peer, options, at));
    } catch (error) {
      missing[peer] = (error as Error).message;
    }
  }
  return { specs, missing };
}

function placeOf(entry: Competed, models: Models): string {
  if ('tower' in entry) return models.tower(entry.tower);
  return entry.kind === 'preprocess' ? models.picture(entry.width, entry.height) : '';
}

/** JPEG decoders are not bit-equal: two levels of 255 on average. */
const LEAST_LIKENESS = 1 - 2 / 255;

async function agreementOf(entry: Competed, entrants: Entrants, models: Models): Promise<Record<string, number>> {
  const scratch = models.scratch('result.f32');
  if ('tower' in entry) {
    const directory = models.tower(entry.tower);
    const config = readFileSync(path.join(directory, 'tower', 'config.json'), 'utf8');
    const { hidden_size: width } = JSON.parse(config) as { hidden_size: number };
    const cosine = (file: string, peer: string): number =>
      lowestCosine(readFloats(file), expectedTokens(directory, entry, peer), width);
    return verify(entrants, scratch, cosine, LEAST_COSINE);
  }
  if (entry.kind !== 'preprocess' || entrants.contestants.length < 2) return {};
  let own: Float32Array | undefined;
  const likeness = (file: string, name: string): number => {
    const pixels = readFloats(file);
    if (name === 'qavit') own = pixels;
    return name === 'qavit' ? 1 : 1 - meanDifference(own!, pixels, entry.edge) / 255;
  };
  return verify(entrants, scratch, likeness, LEAST_LIKENESS);
}

const MEAN = [0.48145466, 0.4578275, 0.40821073];
const STD = [0.26862954, 0.26130258, 0.27577711];

/** Levels between bytes [S, S, 3] and what CLIPImageProcessor makes of them, f32 [3, S, S]. */
export function meanDifference(bytes: Float32Array, normalized: Float32Array, edge: number): number {
  if (bytes.length !== normalized.length) return NaN;
  let sum = 0;
  for (let c = 0; c < 3; c += 1) {
    for (let i = 0; i < edge * edge; i += 1) {
      sum += Math.abs((normalized[c * edge * edge + i]! * STD[c]! + MEAN[c]!) * 255 - bytes[i * 3 + c]!);
    }
  }
  return sum / bytes.length;
}

/** What is compared as milliseconds. */
const byClock = (times: ReadonlyMap<string, Rounds>, clock: Clock): ReadonlyMap<string, Rounds> =>
  clock === 'wall' ? times : new Map([...times].map(([name, found]) => [name, { ...found, ms: found.cpuMs }]));

/** Of all cores, while turns were taken. */
function othersShare(times: ReadonlyMap<string, Rounds>, wall: number, before: number | undefined): number | undefined {
  const after = busyMilliseconds();
  if (before === undefined || after === undefined) return undefined;
  const own = [...times.values()].reduce((sum, { spentMs }) => sum + spentMs, 0);
  return (after - before - own) / (wall * machine().cores);
}

function resultOf(
  { name }: Competed,
  how: Pick<Options, 'threads' | 'clock'>,
  { contestants, missing }: Entrants,
  times: ReadonlyMap<string, Rounds>,
  agreement: Record<string, number>,
  others: number | undefined,
): AnyResult {
  const abouts = Object.fromEntries(contestants.map(({ name: peer, about }) => [peer, about]));
  return caseResult({ name, ...how, times, abouts, agreement, missing, others });
}
