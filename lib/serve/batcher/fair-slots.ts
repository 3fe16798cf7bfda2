import { aborted, throwIfAborted } from '../../calls/abort';
import { FairQueue } from './fair-queue';

/** At most so many pieces of work at a time; who waits for a slot takes turns with other clients. */
export class FairSlots {
  private readonly waiting = new FairQueue<() => void>();
  private free: number;

  constructor(slots: number) {
    this.free = slots;
  }

  get queued(): number {
    return this.waiting.size;
  }

  /**
   * @returns what gives the slot back; calling it again does nothing
   * @throws QAViTError ERR_ABORTED; then no slot is held
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
      const leave = (): void => {
        this.waiting.remove(client, proceed);
        reject(aborted('Batcher', signal.reason));
      };
      signal.addEventListener('abort', leave, { once: true });
      this.waiting.push(client, proceed);
    });
  }

  private giveBack(): void {
    // The slot goes from hand to hand, so that nobody who comes now can take it before those who wait.
    const next = this.waiting.shift();
    if (next) next();
    else this.free += 1;
  }
}
