import type { Clock } from '../batcher';
import { RequestError } from '../request-error';

/** A request that is being answered. */
export interface Running {
  readonly signal: AbortSignal;
  /** Nobody waits for the answer any more, or it is sent. */
  end(reason?: unknown): void;
}

/** Whether the server takes requests, and which it is busy with. */
export class Lifecycle {
  private readonly running = new Set<AbortController>();
  private isDraining = false;
  private idle = (): void => {};
  private drained: Promise<void> | undefined;

  constructor(private readonly clock: Clock) {}

  get ready(): boolean {
    return !this.isDraining;
  }

  get requests(): number {
    return this.running.size;
  }

  /** @throws RequestError 503 once the server drains */
  begin(): Running {
    if (this.isDraining) throw new RequestError(503, 'draining', 'This server is shutting down; try again');
    const controller = new AbortController();
    this.running.add(controller);
    return {
      signal: controller.signal,
      end: (reason) => {
        if (!this.running.delete(controller)) return;
        controller.abort(reason);
        if (this.running.size === 0) this.idle();
      },
    };
  }

  /** Takes no more requests and waits for the running ones; those that are not done by the deadline are stopped. Idempotent. */
  drain(deadlineMs: number): Promise<void> {
    this.isDraining = true;
    this.drained ??= this.end(deadlineMs);
    return this.drained;
  }

  private async end(deadlineMs: number): Promise<void> {
    if (this.running.size === 0) return;
    let cancel = (): void => {};
    const deadline = new Promise<void>((resolve) => (cancel = this.clock.after(deadlineMs, resolve)));
    await Promise.race([deadline, new Promise<void>((resolve) => (this.idle = resolve))]);
    cancel();
    const late = new RequestError(503, 'draining', 'This server is shutting down; try again');
    for (const controller of this.running) controller.abort(late);
    this.running.clear();
  }
}
