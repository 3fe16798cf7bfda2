import { setImmediate } from 'node:timers/promises';

/** Work on so many takes some 8 ms. */
const NUMBERS_AT_ONCE = 2 ** 20;

/** Lets other work have its turn during long loops over numbers. */
export class Turns {
  private since = 0;

  /** @returns what to wait for after work on so many numbers; undefined where it is not time yet */
  after(numbers: number): Promise<void> | undefined {
    this.since += numbers;
    if (this.since < NUMBERS_AT_ONCE) return undefined;
    this.since = 0;
    return setImmediate();
  }
}
