import { LRUCache } from 'lru-cache';
import type { Looked } from '../../qavit/types';

/** A looked-at picture that stays on the device until the lease is released, whatever the cache does meanwhile. */
export interface Lease {
  readonly looked: Looked;
  /** One more on the same picture; only while this one is held. */
  another(): Lease;
  /** Calling it again does nothing. */
  release(): void;
}

interface Entry {
  readonly looked: Looked;
  leases: number;
  kept: boolean;
}

/**
 * Looked-at pictures by their content, those used least recently making room. A picture is disposed of when the cache has dropped it and
 * nobody holds a lease on it: never under a call that uses it.
 */
export class PictureCache {
  private readonly entries: LRUCache<string, Entry>;

  /** @param maxBytes of device memory that pictures which nobody uses may hold */
  constructor(private readonly maxBytes: number) {
    this.entries = new LRUCache<string, Entry>({
      maxSize: Math.max(1, maxBytes),
      sizeCalculation: ({ looked }) => Math.max(1, looked.bytes),
      dispose: (entry) => drop(entry),
    });
  }

  /** Bytes on the device that the cache holds. */
  get bytes(): number {
    return this.entries.calculatedSize;
  }

  get size(): number {
    return this.entries.size;
  }

  has(key: string): boolean {
    return this.entries.has(key);
  }

  lease(key: string): Lease | undefined {
    const entry = this.entries.get(key);
    return entry && leaseOf(entry);
  }

  /** Takes over a picture. One that is larger than the whole cache lives as long as its lease. */
  add(key: string, looked: Looked): Lease {
    const entry: Entry = { looked, leases: 0, kept: looked.bytes <= this.maxBytes };
    const lease = leaseOf(entry);
    if (entry.kept) this.entries.set(key, entry);
    return lease;
  }

  /** Drops everything; what is leased is disposed of on release. */
  clear(): void {
    this.entries.clear();
  }
}

function leaseOf(entry: Entry): Lease {
  entry.leases += 1;
  let held = true;
  return {
    looked: entry.looked,
    another: () => leaseOf(entry),
    release() {
      if (!held) return;
      held = false;
      entry.leases -= 1;
      if (!entry.kept && entry.leases === 0) entry.looked.dispose();
    },
  };
}

function drop(entry: Entry): void {
  entry.kept = false;
  if (entry.leases === 0) entry.looked.dispose();
}
