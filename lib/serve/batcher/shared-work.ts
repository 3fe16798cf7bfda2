import { throwIfAborted, untilAborted } from '../../calls/abort';

interface Flight<V> {
  readonly result: Promise<V>;
  readonly controller: AbortController;
  wanted: number;
}

/** Work that several callers may want at the same time: begun for the first, handed to all, stopped when nobody wants it any more. */
export class SharedWork<V> {
  private readonly flights = new Map<string, Flight<V>>();

  /**
   * @param key what makes two pieces of work the same
   * @param begin starts the work, unless it is under way; its signal fires when the last caller has left
   * @throws what the work throws; ERR_ABORTED as soon as `signal` fires, while the work goes on for the others
   */
  async join(key: string, signal: AbortSignal, begin: (signal: AbortSignal) => Promise<V>): Promise<V> {
    throwIfAborted(signal, 'Batcher');
    const flight = this.flights.get(key) ?? this.start(key, begin);
    flight.wanted += 1;
    try {
      return await untilAborted(flight.result, signal, 'Batcher');
    } finally {
      flight.wanted -= 1;
      // What is done has been forgotten already.
      if (flight.wanted === 0 && this.forget(key, flight)) flight.controller.abort(signal.reason);
    }
  }

  private start(key: string, begin: (signal: AbortSignal) => Promise<V>): Flight<V> {
    const controller = new AbortController();
    const result = begin(controller.signal);
    const flight = { result, controller, wanted: 0 };
    this.flights.set(key, flight);
    // What is done is the caches' to keep, and a failure is not for those who come later.
    const forget = (): boolean => this.forget(key, flight);
    result.then(forget, forget);
    return flight;
  }

  /** @returns whether it was under way */
  private forget(key: string, flight: Flight<V>): boolean {
    return this.flights.get(key) === flight && this.flights.delete(key);
  }
}
