import { aborted, throwIfAborted } from '../../calls/abort';
import type { QAViTError } from '../../errors';
import { FairQueue } from './fair-queue';

interface Waiter {
  proceed(): void;
  refuse(error: QAViTError): void;
}

/** At most so many pieces of work at a time; who waits for a slot takes turns with other clients. */
export class FairSlots {
  private readonly waiting = new FairQueue<Waiter>();
  private free: number;

  constructor(private readonly slots: number) {
    this.free = slots;
  }

  get queued(): number {
    return this.waiting.size;
  }

  get taken(): number {
    return this.slots - this.free;
  }

  /** How many wait for a client. */
  waitingOf(client: string): number {
    return this.waiting.waiting(client);
  }

  /** How many wait for each. */
  get waitingByClient(): [client: string, count: number][] {
    return this.waiting.counts;
  }

  /** Refuses the newest that waits for a client, if there is one. */
  refuseNewest(client: string, busy: QAViTError): void {
    const newest = this.waiting.newest(client);
    if (!newest) return;
    this.waiting.remove(client, newest);
    newest.refuse(busy);
  }

  /**
   * @returns what gives the slot back; calling it again does nothing
   * @throws QAViTError ERR_ABORTED, or what it was refused with; then no slot is held
   */
  async acquire(client: string, signal: AbortSignal): Promise<() => void> {
    throwIfAborted(signal, 'Batcher');
    if (this.free > 0) this.free -= 1;
    else await this.turn(client, signal);
    let held = true;
    return () => {
      if (held) this.giveBack();
      held = false;
    };
  }

  private turn(client: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const proceed = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const refuse = (error: QAViTError): void => {
        signal.removeEventListener('abort', leave);
        reject(error);
      };
      const waiter = { proceed, refuse };
      const leave = (): void => {
        this.waiting.remove(client, waiter);
        reject(aborted('Batcher', signal.reason));
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(client, waiter);
    });
  }

  private giveBack(): void {
    // The slot goes from hand to hand, so that nobody who comes now can take it before those who wait.
    const next = this.waiting.shift();
    if (next) next.proceed();
    else this.free += 1;
  }
}
