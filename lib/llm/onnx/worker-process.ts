import { fork, type ChildProcess } from 'node:child_process';
import path from 'node:path';

import { aborted, throwIfAborted } from '../../calls/abort';
import { expectedButFound, QAViTError } from '../../errors';
import type { Reply, Request, Response, Result, Task } from './protocol';
import { Replies } from './replies';

/**
 * The process that a language model's sessions live in.
 *
 * onnxruntime-node computes synchronously, so it cannot be on the thread that calls. Nor on a worker thread of this process: when such
 * a thread is stopped amid a computation, by `process.exit()` or because the thread that made it ends, onnxruntime-node aborts the
 * whole process (1.30). A process of its own can be stopped at any time, and a crash or the kernel's out-of-memory killer takes it
 * alone.
 *
 * It does not keep this process alive while idle, and ends when this process does, however that ends.
 */
export class WorkerProcess {
  private readonly child: ChildProcess;
  private readonly ended: Promise<void>;
  private readonly open = new Map<number, Replies>();
  private ids = 0;
  /** Why nothing can be asked any more. */
  private over: QAViTError | undefined;
  private closing = false;

  constructor(
    private readonly name: string,
    script = path.join(__dirname, 'worker.js'),
  ) {
    // Flags of this process, such as a debugger's port or a preloaded module, are not meant for it.
    this.child = fork(script, [], {
      serialization: 'advanced',
      execArgv: [],
      // ONNX Runtime's binaries for Linux report to their maker unless told not to (1.29); whoever wants that sets the variable to 0.
      env: { ORT_DISABLE_TELEMETRY: '1', ...process.env },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.child.on('message', ({ id, reply }: Response) => this.receive(id, reply));
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (code, signal) => {
        this.end('ERR_DEVICE', signal ? `the signal ${signal}` : `exit code ${code}`);
        resolve();
      });
      // Emitted instead of 'exit' where the process could not be started.
      this.child.on('error', (error) => {
        this.end('ERR_DEVICE', `"${error.message}"`);
        if (this.child.pid === undefined) resolve();
      });
    });
    this.setIdle(true);
  }

  /** Whether it ended by itself. */
  get hasDied(): boolean {
    return this.over?.code === 'ERR_DEVICE';
  }

  /**
   * The pieces of a task, then its result. Leaving the loop or aborting the signal stops the work between two tokens.
   *
   * @throws QAViTError of the task, ERR_ABORTED (the signal, or `close`), ERR_DEVICE (the process has ended), ERR_ARGUMENT (closed)
   */
  async *run(task: Task, signal?: AbortSignal): AsyncGenerator<string, Result> {
    this.check(signal);
    const id = this.ids++;
    const replies = new Replies();
    const abort = () => {
      replies.fail(aborted(this.name, signal?.reason));
      this.cancel(id);
    };
    signal?.addEventListener('abort', abort, { once: true });
    this.open.set(id, replies);
    this.setIdle(false);
    this.send({ id, task });
    try {
      for (;;) {
        const reply = await replies.next();
        if (reply.kind === 'piece') yield reply.text;
        else if (reply.kind === 'result') return reply.result;
        else throw new QAViTError(reply.code, reply.message);
      }
    } finally {
      signal?.removeEventListener('abort', abort);
      this.cancel(id);
    }
  }

  async close(): Promise<void> {
    this.end('ERR_ABORTED', 'close()');
    this.over = expectedButFound('ERR_ARGUMENT', 'an open language model', this.name, 'a closed one');
    // What still comes through the pipe must not let this process end before the other has.
    this.closing = true;
    this.child.ref();
    // The process holds nothing worth saving, and may be amid a computation.
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private check(signal: AbortSignal | undefined): void {
    if (this.over) throw this.over;
    throwIfAborted(signal, this.name);
  }

  private receive(id: number, reply: Reply): void {
    const replies = this.open.get(id);
    if (reply.kind !== 'piece') this.settle(id);
    replies?.push(reply);
  }

  /** Nobody waits for the rest, if there is one. */
  private cancel(id: number): void {
    if (!this.open.has(id)) return;
    this.send({ id, task: { kind: 'cancel' } });
    this.settle(id);
  }

  private settle(id: number): void {
    this.open.delete(id);
    if (this.open.size === 0) this.setIdle(true);
  }

  private end(code: 'ERR_DEVICE' | 'ERR_ABORTED', found: string): void {
    if (this.over) return;
    this.over = expectedButFound(code, "the language model's process to go on", this.name, found);
    for (const replies of this.open.values()) replies.fail(this.over);
    this.open.clear();
    this.setIdle(true);
  }

  private send(request: Request): void {
    // Where the process has just ended, 'exit' tells those who wait.
    if (this.child.connected) this.child.send(request, () => {});
  }

  /** Whether this process may end although the other runs. */
  private setIdle(idle: boolean): void {
    if (this.closing) return;
    const change = idle ? 'unref' : 'ref';
    this.child[change]();
    this.child.channel?.[change]();
  }
}
