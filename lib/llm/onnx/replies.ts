import type { QAViTError } from '../../errors';
import type { Reply } from './protocol';

type Waiter = { resolve(reply: Reply): void; reject(error: QAViTError): void };

/** The replies to one request, in order: kept until somebody asks, or waited for. */
export class Replies {
  private readonly arrived: Reply[] = [];
  private waiter: Waiter | undefined;
  private error: QAViTError | undefined;

  push(reply: Reply): void {
    const { waiter } = this;
    this.waiter = undefined;
    if (waiter) waiter.resolve(reply);
    else this.arrived.push(reply);
  }

  /** Ends the wait at once; replies that were not asked for yet are dropped. */
  fail(error: QAViTError): void {
    if (this.error) return;
    this.error = error;
    this.arrived.length = 0;
    this.waiter?.reject(error);
    this.waiter = undefined;
  }

  /** One caller at a time. */
  next(): Promise<Reply> {
    if (this.error) return Promise.reject(this.error);
    const reply = this.arrived.shift();
    if (reply) return Promise.resolve(reply);
    return new Promise((resolve, reject) => (this.waiter = { resolve, reject }));
  }
}
