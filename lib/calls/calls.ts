import { EventEmitter, getMaxListeners, setMaxListeners } from 'node:events';
import { QAViTError, expectedButFound } from '../errors';
import { aborted, throwIfAborted } from './abort';

/** What a call's signal says once it is over; made once, because making one traces the stack. */
const OVER = new Error('the end of the call');

/** Node takes eleven listeners for a leak, and one signal may be that of a thousand calls at once. */
const MANY_LISTENERS = 10_000;

function expectMany(signal: AbortSignal): void {
  if (getMaxListeners(signal) === EventEmitter.defaultMaxListeners) setMaxListeners(MANY_LISTENERS, signal);
}

/** A call of a model that was closed: a slip of its owner's, who for a server is not who asks. */
export class ClosedError extends QAViTError {
  constructor(what: string) {
    super('ERR_ARGUMENT', `Expected an open model for ${what} but received one that was closed`);
  }
}

/** The calls a model is busy with: each can be aborted by its caller, all of them by closing the model. */
export class Calls {
  private readonly running = new Map<AbortController, Promise<unknown>>();
  private isClosed = false;

  /** @param most calls at once; one more is refused */
  constructor(private readonly most = Infinity) {}

  get closed(): boolean {
    return this.isClosed;
  }

  /**
   * Runs `work` with a signal that fires when the caller's does, when the model is closed, and when the work is over (so that nothing
   * it started lives on).
   *
   * @throws QAViTError ERR_ARGUMENT if the model is closed, ERR_BUSY if as many calls as it takes are under way, ERR_ABORTED if one of the
   *   signals fired first
   */
  async run<T>(what: string, signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { controller, end } = this.begin(what, signal);
    const done = work(controller.signal);
    this.running.set(controller, done);
    try {
      return await done;
    } catch (error) {
      throw controller.signal.aborted ? aborted(what, controller.signal.reason) : error;
    } finally {
      end();
    }
  }

  /** Like run(), for work that hands out pieces: its caller decides when the next one is made, so that closing does not wait. */
  async *stream<T, R>(
    what: string,
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => AsyncGenerator<T, R, void>,
  ): AsyncGenerator<T, R, void> {
    const { controller, end } = this.begin(what, signal);
    this.running.set(controller, Promise.resolve());
    try {
      return yield* work(controller.signal);
    } catch (error) {
      throw controller.signal.aborted ? aborted(what, controller.signal.reason) : error;
    } finally {
      end();
    }
  }

  /** Refuses new calls, aborts the running ones and waits for them. */
  async close(): Promise<void> {
    this.isClosed = true;
    const reason = new QAViTError('ERR_ABORTED', 'the closing of the model');
    for (const controller of this.running.keys()) controller.abort(reason);
    await Promise.allSettled(this.running.values());
  }

  private begin(what: string, signal: AbortSignal | undefined): { controller: AbortController; end: () => void } {
    if (this.isClosed) throw new ClosedError(what);
    throwIfAborted(signal, what);
    if (this.running.size >= this.most) {
      throw expectedButFound('ERR_BUSY', `at most ${this.most} calls at once`, what, 'one more');
    }
    const controller = new AbortController();
    const abort = (): void => controller.abort(signal?.reason);
    if (signal) expectMany(signal);
    signal?.addEventListener('abort', abort, { once: true });
    const end = (): void => {
      signal?.removeEventListener('abort', abort);
      this.running.delete(controller);
      controller.abort(OVER);
    };
    return { controller, end };
  }
}
