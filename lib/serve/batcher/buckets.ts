import type { Clock } from './clock';

interface Entry<T> {
  readonly item: T;
  readonly since: number;
}

/**
 * Items that are ready to be computed, by what may be computed together, and the rule when a batch starts: as soon as it is full or its
 * oldest item has waited for `delayMs`, the bucket with the oldest item first.
 */
export class Buckets<T> {
  private readonly buckets = new Map<string, Entry<T>[]>();

  constructor(
    private readonly most: number,
    private readonly delayMs: number,
    private readonly clock: Clock,
  ) {}

  add(bucket: string, item: T): void {
    const entry = { item, since: this.clock.now() };
    const entries = this.buckets.get(bucket);
    if (entries) entries.push(entry);
    else this.buckets.set(bucket, [entry]);
  }

  /** @returns whether it was here */
  remove(bucket: string, item: T): boolean {
    const entries = this.buckets.get(bucket) ?? [];
    const at = entries.findIndex((entry) => entry.item === item);
    if (at < 0) return false;
    entries.splice(at, 1);
    if (entries.length === 0) this.buckets.delete(bucket);
    return true;
  }

  /**
   * Takes out the batch that starts now, if there is one.
   *
   * @param full only one that cannot grow. Where the oldest can, nothing starts: full ones could else overtake it for ever.
   */
  take(full: boolean): T[] | undefined {
    const now = this.clock.now();
    const starting = [...this.buckets].filter(([, entries]) => this.due(entries) <= now);
    const [first] = starting.sort(([, a], [, b]) => sinceOf(a) - sinceOf(b));
    if (!first || (full && first[1].length < this.most)) return undefined;
    const [bucket, entries] = first;
    const batch = entries.splice(0, this.most);
    if (entries.length === 0) this.buckets.delete(bucket);
    return batch.map(({ item }) => item);
  }

  /** When a batch starts unless more items come; undefined where nothing waits. */
  nextDue(): number | undefined {
    const times = [...this.buckets.values()].map((entries) => this.due(entries));
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  private due(entries: readonly Entry<T>[]): number {
    return entries.length >= this.most ? -Infinity : sinceOf(entries) + this.delayMs;
  }
}

function sinceOf<T>([oldest]: readonly Entry<T>[]): number {
  return oldest?.since ?? Infinity;
}
