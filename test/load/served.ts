import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = path.join(__dirname, '..', '..', 'lib', 'cli', 'main.js');

/** `qavit serve` in a process of its own, as it is deployed. */
export class Served implements AsyncDisposable {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(args: readonly string[]): Promise<Served> {
    const all = ['serve', '--device', 'cpu', '--port', '0', '--log-level', 'silent', ...args];
    const child = spawn(process.execPath, [MAIN, ...all], { stdio: ['ignore', 'pipe', 'inherit'] });
    const line = once(createInterface(child.stdout), 'line').then(([text]) => text as string);
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`qavit serve ended with ${code}`)));
    ended.catch(() => undefined);
    const url = /http:\S+/.exec(await Promise.race([line, ended]))?.[0] ?? '';
    return new Served(child, url);
  }

  /** Processes that it has started: those of language models. Undefined where the system does not say. */
  get children(): number[] | undefined {
    try {
      const { pid } = this.child;
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    } catch {
      return undefined;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exit = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exit;
  }
}
