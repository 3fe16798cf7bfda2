import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A process that stays, so that its model is loaded once, and answers every line it is sent with one line of JSON. */
export class Resident {
  private readonly lines: AsyncIterator<string>;
  private readonly child: ChildProcess;

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
    options: { cwd?: string } = {},
  ) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], ...options });
    // Without a listener a command that does not exist, or a process that ended early, would end this one.
    this.child.on('error', () => undefined);
    this.child.stdin!.on('error', () => undefined);
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** The next answer; the first comes without a question, when the process is ready. */
  async answer<T>(): Promise<T> {
    const line = await this.lines.next();
    if (line.done) throw new Error(`${this.name} ended early`);
    return JSON.parse(line.value) as T;
  }

  ask<T>(line: string): Promise<T> {
    this.child.stdin!.write(`${line}\n`);
    return this.answer();
  }

  /** Lets it end when it has answered. */
  stop(): void {
    this.child.stdin!.end();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
