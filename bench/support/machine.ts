/** What a figure depends on besides the code. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import path from 'node:path';

export const root = path.join(__dirname, '../../..');

/** The first line of a command's output; what else is said where it does not run. */
export function lineOf(command: string, args: readonly string[], otherwise: string): string {
  try {
    const output = execFileSync(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], encoding: 'utf8' });
    return output.split('\n')[0]?.trim() || otherwise;
  } catch {
    return otherwise;
  }
}

/** QAVIT_COMMIT where there is no git. */
export function commit(): string {
  const found = process.env.QAVIT_COMMIT || lineOf('git', ['rev-parse', '--short=12', 'HEAD'], 'unknown');
  const changed = lineOf('git', ['status', '--porcelain', '--', 'lib', 'native', 'bench/*.ts', 'training'], '') !== '';
  return changed ? `${found}, changed` : found;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryGB: number;
  os: string;
}

export const machine = (): Machine => ({
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryGB: Math.round(totalmem() / 1e9),
  os: `${process.platform} ${process.arch}`,
});

/**
 * Milliseconds that all cores together have computed since the machine started, whoever for; undefined where the system does not say.
 * Ten milliseconds is the unit in which Linux counts.
 */
export function busyMilliseconds(): number | undefined {
  try {
    const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = readFileSync('/proc/stat', 'utf8')
      .split('\n')[0]!
      .split(/\s+/)
      .map(Number);
    return (user + nice + system + irq + softirq + steal) * 10;
  } catch {
    return undefined;
  }
}
