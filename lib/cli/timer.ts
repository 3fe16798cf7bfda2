/** Milliseconds since a moment, to a tenth. */
export class Timer {
  private readonly start = performance.now();

  get ms(): number {
    return Math.round((performance.now() - this.start) * 10) / 10;
  }
}
