/** What runs found, in one file of JSON that later runs add to. */
import { existsSync, readFileSync } from 'node:fs';
import { CASES } from '../cases';
import type { Clock } from '../options';
import type { About } from '../contestants/spec';
import { ratioOf, type Rounds } from '../run/turns';
import { BenchError } from '../support/bench-error';
import { commit, machine, type Machine } from '../support/machine';
import { quantile, type Spread, spreadOf } from '../support/quantiles';
import { writeWhole } from '../support/whole-file';

/** Milliseconds. */
export interface Measured extends Spread {
  best: number;
  peakMB: number;
  weightMB?: number;
  /** With PyTorch's f32: the lowest cosine of a token; for pictures 1 less the mean difference over 255. */
  agreement?: number;
  versions: Record<string, string>;
  /** All repeats, by rounds; and what their threads computed together. */
  ms: number[][];
  cpuMs: number[][];
}

export interface Ratio extends Spread {
  rounds: number[];
}

interface Result {
  case: string;
  commit: string;
  at: string;
  threads: number;
  clock: Clock;
}

export interface CaseResult extends Result {
  /** Share of the machine's cores that other processes had meanwhile. */
  others?: number;
  /** qavit is the first. */
  contestants: Record<string, Measured>;
  /** Time of a peer over qavit's, by rounds. */
  ratios: Record<string, Ratio>;
  /** Peers that the case has but that did not take part, and why. */
  missing: Record<string, string>;
}

export interface KernelsResult extends Result {
  isa: string;
  /** GFLOP/s in registers alone. */
  peak: number;
  kernels: { case: string; ms: number; rate: number; unit: 'GFLOP/s' | 'GB/s'; share: number }[];
}

export type AnyResult = CaseResult | KernelsResult;
export const isKernels = (result: AnyResult): result is KernelsResult => 'kernels' in result;

const rounded = (value: number): number => Number(value.toPrecision(6));

function measured(rounds: Rounds, about: About, agreement: number | undefined): Measured {
  const all = rounds.ms.flat();
  const { p10, median, p90 } = spreadOf(all);
  return {
    median: rounded(median),
    p10: rounded(p10),
    p90: rounded(p90),
    best: rounded(quantile(all, 0)),
    peakMB: Math.round(rounds.peakBytes / 1e6),
    ...(about.weightBytes !== undefined && { weightMB: Math.round(about.weightBytes / 1e6) }),
    ...(agreement !== undefined && { agreement: Number(agreement.toFixed(6)) }),
    versions: about.versions,
    ms: rounds.ms.map((ms) => ms.map(rounded)),
    cpuMs: rounds.cpuMs.map((ms) => ms.map(rounded)),
  };
}

export interface Found {
  name: string;
  threads: number;
  clock: Clock;
  times: ReadonlyMap<string, Rounds>;
  abouts: Readonly<Record<string, About>>;
  agreement: Readonly<Record<string, number>>;
  missing: Record<string, string>;
  others: number | undefined;
}

export function caseResult({ name, threads, clock, times, abouts, agreement, missing, others }: Found): CaseResult {
  const own = times.get('qavit')!;
  const contestants: CaseResult['contestants'] = {};
  const ratios: CaseResult['ratios'] = {};
  for (const [peer, rounds] of times) {
    contestants[peer] = measured(rounds, abouts[peer] ?? { versions: {} }, agreement[peer]);
    if (peer === 'qavit') continue;
    const { p10, median, p90, rounds: each } = ratioOf(rounds, own);
    ratios[peer] = { median: rounded(median), p10: rounded(p10), p90: rounded(p90), rounds: each.map(rounded) };
  }
  const kept = others === undefined ? {} : { others: Number(Math.max(0, others).toFixed(2)) };
  return { case: name, ...stamp(threads, clock), ...kept, contestants, ratios, missing };
}

export const stamp = (threads: number, clock: Clock = 'wall') => ({
  commit: commit(),
  at: new Date().toISOString(),
  threads,
  clock,
});

/** A case is measured anew by the same threads and clock. */
export const titleOf = ({ case: name, threads, clock }: AnyResult): string =>
  `${name}, ${threads} thread${threads === 1 ? '' : 's'}${clock === 'cpu' ? ', CPU time' : ''}`;

/** Lists of numbers on a line. A number that JSON has no word for is null. */
export const serialize = (value: unknown): string =>
  `${JSON.stringify(value, null, 2).replace(/\[\s+((?:(?:[\d.e+-]+|null),?\s+)+)\]/g, (_, list: string) => `[${list.trim().split(/,\s+/).join(', ')}]`)}\n`;

/** Written after every case, so that an interrupted run leaves what it had. */
export class Results {
  private constructor(
    private readonly file: string,
    private readonly machine: Machine,
    private readonly byName: Map<string, AnyResult>,
  ) {}

  /** @throws BenchError for results of another machine, which must not be mixed with these */
  static open(file: string, here: Machine = machine()): Results {
    if (!existsSync(file)) return new Results(file, here, new Map());
    let stored: { machine?: Machine; cases?: AnyResult[] } | null;
    try {
      stored = JSON.parse(readFileSync(file, 'utf8')) as typeof stored;
    } catch {
      stored = null;
    }
    if (!stored?.machine || !Array.isArray(stored.cases))
      throw new BenchError(`Expected results of this benchmark for --json but received ${file}`);
    if (JSON.stringify(stored.machine) !== JSON.stringify(here)) {
      const other = `${stored.machine.cpu}, ${stored.machine.cores} cores`;
      throw new BenchError(
        `Expected results of this machine in ${file} but received those of ${other}: name another --json`,
      );
    }
    return new Results(file, here, new Map(stored.cases.map((entry) => [titleOf(entry), entry])));
  }

  add(result: AnyResult): void {
    this.byName.set(titleOf(result), result);
    writeWhole(this.file, serialize({ machine: this.machine, cases: this.all }));
  }

  /** Beside the JSON, with another ending. */
  write(ending: string, content: string): void {
    writeWhole(this.fileWith(ending), content);
  }

  fileWith(ending: string): string {
    return this.file.replace(/(\.json)?$/, ending);
  }

  /** In the order of the table of cases. */
  get all(): AnyResult[] {
    const place = ({ case: name }: AnyResult): number => CASES.findIndex((entry) => entry.name === name);
    return [...this.byName.values()].sort((a, b) => place(a) - place(b) || titleOf(a).localeCompare(titleOf(b)));
  }

  get where(): Machine {
    return this.machine;
  }
}
