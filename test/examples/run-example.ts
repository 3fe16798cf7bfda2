import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type Finished, finish } from '../cli/run-cli';
import { root } from '../support/paths';

/** Starts an example as its header says. */
export function startExample(
  name: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [path.resolve(root, 'examples', name), ...args], { env: { ...process.env, ...env } });
}

/** Runs an example to its end. */
export function runExample(
  name: string,
  args: readonly string[] = [],
  env: Record<string, string> = {},
): Promise<Finished> {
  const child = startExample(name, args, env);
  child.stdin.end();
  return finish(child);
}

/** Starts an example that listens, on a port of the system's choice; `stop` asks it to end and tells how it did. */
export async function startServer(name: string): Promise<{ url: string; stop: () => Promise<Finished> }> {
  const child = startExample(name, ['0']);
  const finished = finish(child);
  const lines = createInterface(child.stdout);
  const early = finished.then(({ stderr }) => {
    throw new Error(`${name} ended before it listened: ${stderr}`);
  });
  const [line] = (await Promise.race([once(lines, 'line'), early])) as [string];
  const url = /listening on (http:\S+)/.exec(line)?.[1];
  if (url === undefined) throw new Error(`${name} said ${line}`);
  const stop = (): Promise<Finished> => {
    early.catch(() => undefined);
    child.kill('SIGTERM');
    return finished;
  };
  return { url, stop };
}
