import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface ResidentOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** For one answer; without, it may take any time. */
  timeoutSeconds?: number;
  /** What it prints to standard error is kept for the case that it fails, not shown. */
  quiet?: boolean;
}

/** A process that stays, so that its model is loaded once, and answers every line it is sent with one line of JSON. */
export class Resident {
  private readonly lines: AsyncIterator<string>;
  private readonly child: ChildProcess;
  private readonly ended: Promise<unknown>;
  private lastWords = '';

  constructor(
    readonly name: string,
    command: string,
    args: readonly string[],
    private readonly options: ResidentOptions = {},
  ) {
    const { cwd, env, quiet } = options;
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', quiet ? 'pipe' : 'inherit'], cwd, env });
    // Without a listener a command that does not exist, or a process that ended early, would end this one.
    this.ended = once(this.child, 'close').catch(() => undefined);
    this.child.on('error', ({ message }) => (this.lastWords = message));
    this.child.stderr?.on('data', (text: Buffer) => (this.lastWords = String(text).trim() || this.lastWords));
    this.child.stdin!.on('error', () => undefined);
    this.lines = createInterface({ input: this.child.stdout! })[Symbol.asyncIterator]();
  }

  /** The next answer; the first comes without a question, when the process is ready. */
  async answer<T>(): Promise<T> {
    const { timeoutSeconds } = this.options;
    const timer = timeoutSeconds && setTimeout(() => this.kill(), timeoutSeconds * 1e3);
    const line = await this.lines.next();
    if (timer) clearTimeout(timer);
    if (line.done) throw new Error(await this.epitaph());
    try {
      return JSON.parse(line.value) as T;
    } catch {
      // Whose answer the next line would be, nobody knows.
      this.child.kill('SIGKILL');
      await this.ended;
      throw new Error(`${this.name} said something else than an answer: ${line.value}`);
    }
  }

  private async epitaph(): Promise<string> {
    await this.ended;
    if (this.child.killed) return `${this.name} gave no answer in ${this.options.timeoutSeconds} s`;
    return [`${this.name} ended early`, this.lastWords.split('\n').at(-1)].filter(Boolean).join(': ');
  }

  ask<T>(line: string): Promise<T> {
    this.child.stdin!.write(`${line}\n`);
    return this.answer();
  }

  /** Lets it end when it has answered; resolves when it has. */
  async stop(): Promise<void> {
    this.child.stdin!.end();
    await this.ended;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
