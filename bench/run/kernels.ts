/** The kernels' part of the harness: bench/kernels.ts in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Case } from '../cases';
import type { Options } from '../options';
import { type KernelsResult, stamp } from '../report/results';

interface Written {
  isa: string;
  peaks: Record<string, number>;
  results: (KernelsResult['kernels'][number] & { dtype: string })[];
}

type KernelsCase = Extract<Case, { kind: 'kernels' }>;
type How = Pick<Options, 'threads' | 'clock'>;

export const argumentsOf = ({ dtype }: KernelsCase, { threads, clock }: How, file: string): string[] =>
  Object.entries({ dtype, threads, clock, json: file }).flatMap(([name, value]) => [`--${name}`, String(value)]);

export async function measureKernels(entry: KernelsCase, how: How): Promise<KernelsResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-kernels-'));
  try {
    const file = path.join(folder, 'kernels.json');
    const script = path.join(__dirname, '..', 'kernels.js');
    const child = spawn(process.execPath, [script, ...argumentsOf(entry, how, file)], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`bench/kernels ended with status ${status}`);
    const { isa, peaks, results } = JSON.parse(readFileSync(file, 'utf8')) as Written;
    const kernels = results.map(({ dtype: _, ...kernel }) => kernel);
    return { case: entry.name, ...stamp(how.threads, how.clock), isa, peak: peaks[entry.dtype] ?? NaN, kernels };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
