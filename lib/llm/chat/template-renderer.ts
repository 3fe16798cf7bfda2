import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

import { expectedButFound, type QAViTError } from '../../errors';
import { MAX_RENDERED, MEMORY_MB, type READY, type Rendered, type Rendering } from './template-protocol';

/** The process bounds its time itself; this is for one that cannot even do that. */
const WAIT_MS = 30_000;

/**
 * A chat template, rendered in a process of its own: one that loops forever is stopped, one that builds endless lists ends its process
 * and nobody else's (V8 ends the whole process even where a thread alone runs out of memory). Renderings take turns. The process does
 * not keep this one alive, and ends with it.
 */
export class TemplateRenderer {
  private child: ChildProcess | undefined;
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly source: string,
    private readonly file: string,
  ) {}

  /**
   * @returns the text, or why the template refuses these variables
   * @throws QAViTError ERR_FORMAT for a template that takes too much time or memory
   */
  render(variables: Rendering['variables']): Promise<{ text: string } | { reason: string }> {
    const turn = this.last.then(() => this.take({ source: this.source, variables }));
    this.last = turn.catch(() => undefined);
    return turn;
  }

  async close(): Promise<void> {
    const { child } = this;
    this.child = undefined;
    // One that could not be started has no end either.
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.ref();
    child.kill('SIGKILL');
    await exit;
  }

  private async take(rendering: Rendering): Promise<{ text: string } | { reason: string }> {
    try {
      const child = this.child ?? (await this.start());
      const reply = await this.reply<Rendered>(child, () => child.send(rendering, () => {}));
      if (!('stopped' in reply)) return reply;
      throw this.failure(reply.stopped);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  private async start(): Promise<ChildProcess> {
    const execArgv = [`--max-old-space-size=${MEMORY_MB}`];
    // What V8 writes about its end is no news to a user.
    const stdio = ['ignore', 'ignore', 'ignore', 'ipc'] as ('ignore' | 'ipc')[];
    const child = fork(path.join(__dirname, 'template-process.js'), [], { execArgv, stdio, serialization: 'advanced' });
    this.child = child;
    // Each reply is waited for with listeners of its own; between two of them nothing may go unheard.
    child.on('error', () => undefined);
    child.once('exit', () => {
      if (this.child === child) this.child = undefined;
    });
    await this.reply<typeof READY>(child, () => {});
    return child;
  }

  private reply<Reply>(child: ChildProcess, ask: () => unknown): Promise<Reply> {
    setIdle(child, false);
    return new Promise<Reply>((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        child.off('message', heard).off('exit', ended).off('error', failed);
        setIdle(child, true);
        finish();
      };
      const heard = (reply: Reply) => settle(() => resolve(reply));
      const ended = (code: number | null, signal: string | null) =>
        settle(() => reject(this.failure(signal ? `the signal ${signal}` : `exit code ${code}`)));
      const failed = (error: Error) => settle(() => reject(this.failure(`"${error.message}"`)));
      const timer = setTimeout(() => settle(() => reject(this.failure('nothing'))), WAIT_MS);
      child.on('message', heard).on('exit', ended).on('error', failed);
      ask();
    });
  }

  private failure(found: string): QAViTError {
    const what = `a text of at most ${MAX_RENDERED} characters, in seconds and ${MEMORY_MB} MB,`;
    return expectedButFound('ERR_FORMAT', what, `the chat template ${this.file}`, found);
  }
}

/** Whether this process may end although the other runs. */
function setIdle(child: ChildProcess, idle: boolean): void {
  const change = idle ? 'unref' : 'ref';
  child[change]();
  child.channel?.[change]();
}
