/** The kernels' part of the harness: bench/kernels.ts in a process of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Case } from '../cases';
import { type KernelsResult, stamp } from '../report/results';

interface Written {
  isa: string;
  peaks: Record<string, number>;
  results: (KernelsResult['kernels'][number] & { dtype: string })[];
}

export async function measureKernels(
  { name, dtype }: Extract<Case, { kind: 'kernels' }>,
  threads: number,
): Promise<KernelsResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-kernels-'));
  try {
    const file = path.join(folder, 'kernels.json');
    const args = ['--dtype', dtype, '--threads', String(threads), '--json', file];
    const child = spawn(process.execPath, [path.join(__dirname, '..', 'kernels.js'), ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const [status] = (await once(child, 'close')) as [number | null];
    if (status !== 0) throw new Error(`bench/kernels ended with status ${status}`);
    const { isa, peaks, results } = JSON.parse(readFileSync(file, 'utf8')) as Written;
    const kernels = results.map(({ dtype: _, ...kernel }) => kernel);
    return { case: name, ...stamp(threads), isa, peak: peaks[dtype] ?? NaN, kernels };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
