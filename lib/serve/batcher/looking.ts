import type { Picture } from '../../qavit/types';
import type { BatchModel } from './model';
import type { Lease, PictureCache } from './picture-cache';

/** Looks at pictures, each once however many batches need it at the same time. */
export class Looking {
  private readonly underWay = new Map<string, Promise<Lease>>();

  constructor(
    private readonly model: BatchModel,
    private readonly cache: PictureCache,
  ) {}

  /**
   * @param wanted decoded pictures by key
   * @returns a lease on each, the caller's to release
   * @throws QAViTError of the model; then nothing is held
   */
  async lookAt(wanted: ReadonlyMap<string, Picture>): Promise<Map<string, Lease>> {
    const fresh: [string, Picture][] = [];
    const leases: Promise<[string, Lease]>[] = [];
    for (const [key, picture] of wanted) {
      const known = this.known(key);
      if (known) leases.push(known.then((lease) => [key, lease]));
      else fresh.push([key, picture]);
    }
    if (fresh.length > 0) leases.push(...this.look(fresh));
    const settled = await Promise.allSettled(leases);
    const failed = settled.find((one) => one.status === 'rejected');
    const held = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (!failed) return new Map(held);
    for (const [, lease] of held) lease.release();
    throw failed.reason;
  }

  /** A lease on what the cache has, or on what another batch is looking at. */
  private known(key: string): Promise<Lease> | undefined {
    const kept = this.cache.lease(key);
    if (kept) return Promise.resolve(kept);
    return this.underWay.get(key)?.then((lease) => lease.another());
  }

  private look(fresh: readonly [string, Picture][]): Promise<[string, Lease]>[] {
    // Not to be aborted by the batch that began it: another may wait for the same picture. It is short.
    const looking = this.model.stages.look(fresh.map(([, picture]) => picture));
    return fresh.map(([key], i) => {
      const lease = looking.then((looked) => this.cache.add(key, looked[i]!));
      this.underWay.set(key, lease);
      const over = (): void => void this.underWay.delete(key);
      lease.then(over, over);
      return lease.then((held): [string, Lease] => [key, held]);
    });
  }
}
