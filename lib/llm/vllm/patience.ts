/** Waits for the other end of a connection, but not for ever. */
export class Patience {
  private isOver = false;

  /**
   * @param ms how long one wait may last
   * @param end lets go of what is waited for, which must then fail
   */
  constructor(
    private readonly ms: number,
    private readonly end: () => void,
  ) {}

  /** Whether a wait lasted too long. */
  get over(): boolean {
    return this.isOver;
  }

  /** The clock runs only meanwhile, so that a caller who takes his time does not end the connection. */
  async during<T>(waiting: Promise<T>, ms = this.ms): Promise<T> {
    const timer = setTimeout(() => {
      this.isOver = true;
      this.end();
    }, ms);
    try {
      return await waiting;
    } finally {
      clearTimeout(timer);
    }
  }
}
