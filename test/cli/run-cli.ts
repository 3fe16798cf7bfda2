import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import path from 'node:path';

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** The compiled command, beside the compiled tests. */
export const MAIN = path.join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

export interface RunOptions {
  cwd?: string;
  /** `undefined` takes a variable away. */
  env?: Record<string, string | undefined>;
  input?: Buffer;
}

/** Starts the command as a user would, with pipes for a terminal. */
export function startCli(args: readonly string[], { cwd, env }: RunOptions = {}): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [MAIN, ...args], { cwd, env: { ...process.env, QAVIT_DEBUG: '', ...env } });
}

export function finish(child: ChildProcessWithoutNullStreams): Promise<Finished> {
  const [out, err]: Buffer[][] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out?.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err?.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const [stdout, stderr] = [out, err].map((chunks) => Buffer.concat(chunks ?? []).toString());
      resolve({ code, signal, stdout: stdout ?? '', stderr: stderr ?? '' });
    });
  });
}

/** Runs the command to its end. */
export function runCli(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = startCli(args, options);
  child.stdin.end(options.input);
  return finish(child);
}
