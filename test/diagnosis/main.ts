/**
 * `npm run test:cuda:diagnose`: every operation by itself on this machine's GPU, in a process that is begun anew when a kernel hangs or
 * faults. Of what goes wrong it says where, in which pattern, and whether it also does with kernels one after another, with the portable
 * ones, and with each tile. What is found is printed as it comes.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Resident } from '../../bench/support/resident';
import { root } from '../support/paths';
import { type DiagnosisCase, diagnosisCases } from './cases';
import type { Verdict } from './worker';

type Outcome = Omit<Verdict, 'verdict'> & { verdict: Verdict['verdict'] | 'hangs' | 'ends' | 'does not start' };

const { values: options } = parseArgs({
  options: {
    /** Cases whose name holds this. */
    grep: { type: 'string', default: '' },
    /** No case is begun after that. */
    seconds: { type: 'string', default: '240' },
    /** Seconds without an answer after which a case counts as hanging. */
    patience: { type: 'string', default: '15' },
  },
});

/** Of each operation, and each case with exact results, so many are told in full and looked at in other ways too; others in a line. */
const CLOSELY = 2;
const TILES = 5;

/** A process of worker.ts, another one after the last was ended. */
class Runner {
  private process: Resident | undefined;

  constructor(private readonly settings: NodeJS.ProcessEnv = {}) {}

  async judge(index: number): Promise<Outcome> {
    try {
      this.process ??= await this.start();
    } catch (error) {
      return this.ended('does not start', error);
    }
    try {
      const outcome = await this.process.ask<Verdict>(JSON.stringify({ case: index }));
      if (outcome.verdict === 'fails') this.end();
      return outcome;
    } catch (error) {
      return this.ended(/gave no answer/.test((error as Error).message) ? 'hangs' : 'ends', error);
    }
  }

  end(): void {
    this.process?.kill();
    this.process = undefined;
  }

  private ended(verdict: Outcome['verdict'], error: unknown): Outcome {
    this.end();
    return { verdict, report: [(error as Error).message] };
  }

  private async start(): Promise<Resident> {
    const env = {
      QAVIT_ADDON: path.join(root, 'build-cuda', 'Release', 'qavit.node'),
      ...process.env,
      ...this.settings,
    };
    const worker = [path.join(__dirname, 'worker.js')];
    const child = new Resident('the case', process.execPath, worker, { env, timeoutSeconds: Number(options.patience) });
    await child.answer();
    return child;
  }
}

const others: Record<string, Runner> = {
  serial: new Runner({ QAVIT_CUDA_KERNELS: 'serial' }),
  portable: new Runner({ QAVIT_CUDA_KERNELS: 'portable' }),
};
const tiles = Object.fromEntries(
  Array.from({ length: TILES }, (_, tile) => [`tile ${tile}`, new Runner({ QAVIT_CUDA_TILE: `${tile}:1` })]),
);

async function elsewhere({ op, options: { input } }: DiagnosisCase, index: number): Promise<string> {
  const ways = { ...others, ...(op === 'linear' && input !== 'f32' && tiles) };
  const said: string[] = [];
  for (const [name, runner] of Object.entries(ways)) said.push(`${name}: ${(await runner.judge(index)).verdict}`);
  return said.join(', ');
}

async function main(): Promise<void> {
  const end = performance.now() + Number(options.seconds) * 1e3;
  const runner = new Runner();
  const wrong: string[] = [];
  const counts = new Map<string, number>();
  let [right, left] = [0, 0];
  for (const [index, entry] of diagnosisCases().entries()) {
    if (!entry.name.includes(options.grep)) continue;
    if (performance.now() > end) {
      left += 1;
      continue;
    }
    const { verdict, report } = await runner.judge(index);
    if (verdict === 'right') {
      right += 1;
      continue;
    }
    const { input, output = input } = entry.options;
    wrong.push(`${verdict.toUpperCase().padEnd(8)} ${entry.name}, ${input} to ${output}`);
    const kind = entry.exact ? entry.name : entry.op;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    const said = count <= CLOSELY ? report : report.slice(0, 1);
    console.log(`\n${wrong.at(-1)}${said.map((line) => `\n    ${line}`).join('')}`);
    if (verdict === 'does not start') break;
    if (count <= CLOSELY) console.log(`    ${await elsewhere(entry, index)}`);
  }
  for (const one of [runner, ...Object.values(others), ...Object.values(tiles)]) one.end();
  console.log(`\n${right} right, ${wrong.length} not${left > 0 ? `, ${left} not looked at: the time is over` : ''}`);
  for (const line of wrong) console.log(`  ${line}`);
  process.exitCode = wrong.length > 0 ? 1 : 0;
}

void main();
