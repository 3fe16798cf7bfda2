import { throwIfAborted } from '../../calls/abort';
import type { Picture } from '../../qavit/types';
import type { BatchModel } from './model';
import type { Lease, PictureCache } from './picture-cache';

/** Pictures that are looked at together, and how many batches wait for one of them. */
interface Flight {
  readonly controller: AbortController;
  readonly leases: ReadonlyMap<string, Promise<Lease>>;
  wanted: number;
}

/** Looks at pictures, each once however many batches need it at the same time. */
export class Looking {
  private readonly underWay = new Map<string, Flight>();

  constructor(
    private readonly model: BatchModel,
    private readonly cache: PictureCache,
  ) {}

  /**
   * @param wanted decoded pictures by key
   * @param signal of the batch: what no other batch waits for is stopped when it fires
   * @returns a lease on each, the caller's to release
   * @throws QAViTError of the model; then nothing is held
   */
  async lookAt(wanted: ReadonlyMap<string, Picture>, signal: AbortSignal): Promise<Map<string, Lease>> {
    throwIfAborted(signal, 'Batcher');
    const fresh: [string, Picture][] = [];
    const leases: Promise<[string, Lease]>[] = [];
    const flights = new Set<Flight>();
    for (const [key, picture] of wanted) {
      const kept = this.cache.lease(key);
      const flight = this.underWay.get(key);
      if (kept) leases.push(Promise.resolve([key, kept]));
      else if (flight) {
        flights.add(flight);
        leases.push(flight.leases.get(key)!.then((lease) => [key, lease.another()]));
      } else fresh.push([key, picture]);
    }
    if (fresh.length > 0) {
      const flight = this.look(fresh);
      flights.add(flight);
      for (const [key, lease] of flight.leases) leases.push(lease.then((held) => [key, held]));
    }
    const settled = await this.waitFor(flights, Promise.allSettled(leases), signal);
    const failed = settled.find((one) => one.status === 'rejected');
    const held = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (!failed) return new Map(held);
    for (const [, lease] of held) lease.release();
    throw failed.reason;
  }

  private async waitFor<T>(flights: ReadonlySet<Flight>, result: Promise<T>, signal: AbortSignal): Promise<T> {
    for (const flight of flights) flight.wanted += 1;
    const leave = (): void => {
      for (const flight of flights) this.leave(flight, signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    try {
      return await result;
    } finally {
      signal.removeEventListener('abort', leave);
    }
  }

  /** One picture is looked at in a moment, but a batch of pictures in tiles may take minutes. */
  private leave(flight: Flight, reason: unknown): void {
    flight.wanted -= 1;
    if (flight.wanted > 0) return;
    // Who comes now begins anew.
    this.forget(flight);
    flight.controller.abort(reason);
  }

  private look(fresh: readonly [string, Picture][]): Flight {
    const controller = new AbortController();
    const pictures = fresh.map(([, picture]) => picture);
    const looking = this.model.stages.look(pictures, { signal: controller.signal });
    const leases = fresh.map(([key], i): [string, Promise<Lease>] => [
      key,
      looking.then((looked) => this.cache.add(key, looked[i]!)),
    ]);
    const flight = { controller, leases: new Map(leases), wanted: 0 };
    for (const [key] of leases) this.underWay.set(key, flight);
    const over = (): void => this.forget(flight);
    Promise.all(flight.leases.values()).then(over, over);
    return flight;
  }

  private forget(flight: Flight): void {
    for (const key of flight.leases.keys()) if (this.underWay.get(key) === flight) this.underWay.delete(key);
  }
}
