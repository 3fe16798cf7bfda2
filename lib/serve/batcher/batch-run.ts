import { throwIfAborted } from '../../calls/abort';
import { QAViTError } from '../../errors';
import type { Picture } from '../../qavit/types';
import type { Clock } from './clock';
import type { Looking } from './looking';
import type { BatchModel } from './model';
import type { Lease } from './picture-cache';
import type { BatcherObserver } from './types';
import type { Outcome, Prepared, Work } from './work';

export interface BatchTools {
  readonly model: BatchModel;
  readonly looking: Looking;
  readonly observer: BatcherObserver;
  readonly clock: Clock;
  /** Frees device memory that nobody uses at the moment. */
  relieve(): void;
}

type Pair = { readonly work: Work; readonly prepared: Prepared };

/** Computes one batch of prepared works of one bucket and tells each how it went. Never throws. */
export class BatchRun {
  private readonly controller = new AbortController();
  private readonly started: number;

  constructor(
    private readonly tools: BatchTools,
    private readonly works: readonly Work[],
  ) {
    this.started = tools.clock.now();
  }

  /** Stops what is computed when nobody waits for any of it; else the others' results are worth the whole. */
  abandon(): void {
    if (!this.works.some(({ wanted }) => wanted)) this.controller.abort();
  }

  /** @returns the device's error, where it failed */
  async run(): Promise<QAViTError | undefined> {
    this.tools.observer.batch?.(this.works.length);
    return this.attempt(this.works);
  }

  /**
   * A batch that fails is repeated in halves, so that only those fail which fail alone: one pair may be what the model cannot compute,
   * and half the batch may fit where the whole did not.
   */
  private async attempt(works: readonly Work[]): Promise<QAViTError | undefined> {
    const pairs = works.flatMap((work) => (work.wanted && work.prepared ? [{ work, prepared: work.prepared }] : []));
    if (pairs.length === 0) return undefined;
    try {
      await this.compute(pairs);
      return undefined;
    } catch (error) {
      const code = error instanceof QAViTError ? error.code : undefined;
      if (code === 'ERR_OUT_OF_MEMORY') this.tools.relieve();
      // A device that is gone stays gone for the halves.
      if (code === 'ERR_DEVICE' || code === 'ERR_ABORTED') return this.fail(pairs, error);
      if (pairs.length === 1 && code !== 'ERR_OUT_OF_MEMORY') return this.fail(pairs, error);
      if (pairs.length === 1) return this.lastAttempt(pairs);
      const middle = Math.ceil(pairs.length / 2);
      const halves = [pairs.slice(0, middle), pairs.slice(middle)].map((half) => half.map(({ work }) => work));
      return (await this.attempt(halves[0]!)) ?? (await this.attempt(halves[1]!));
    }
  }

  /** One alone, after the caches were emptied. */
  private async lastAttempt(pairs: readonly Pair[]): Promise<QAViTError | undefined> {
    try {
      await this.compute(pairs);
      return undefined;
    } catch (error) {
      return this.fail(pairs, error);
    }
  }

  private fail(pairs: readonly Pair[], error: unknown): QAViTError | undefined {
    const ofDevice = error instanceof QAViTError && error.code === 'ERR_DEVICE';
    // The replica decides what becomes of works whose device has failed.
    if (ofDevice) return error;
    for (const { work } of pairs) work.fail(error);
    return undefined;
  }

  private async compute(pairs: readonly Pair[]): Promise<void> {
    const { clock } = this.tools;
    const start = clock.now();
    const leases = await this.look(pairs);
    const looked = clock.now();
    try {
      throwIfAborted(this.controller.signal, 'Batcher');
      const look = leases.size > 0 ? looked - start : undefined;
      if (look !== undefined) this.tools.observer.stage?.('look', look);
      const [first] = pairs;
      await (first?.work.task.kind === 'attend' ? this.attend(pairs, leases, look) : this.encode(pairs, leases, look));
    } finally {
      for (const lease of leases.values()) lease.release();
    }
  }

  private look(pairs: readonly Pair[]): Promise<Map<string, Lease>> {
    const wanted = new Map<string, Picture>();
    for (const { work, prepared } of pairs) {
      if (prepared.picture) wanted.set(work.task.source.key, prepared.picture);
    }
    if (wanted.size === 0) return Promise.resolve(new Map<string, Lease>());
    return this.tools.looking.lookAt(wanted, this.controller.signal);
  }

  private async encode(pairs: readonly Pair[], leases: Map<string, Lease>, look: number | undefined): Promise<void> {
    const { model, clock, observer } = this.tools;
    const start = clock.now();
    const items = pairs.map((pair) => ({
      image: lookedAt(pair, leases),
      question: pair.prepared.features,
      visualTokens: pair.work.task.visualTokens,
    }));
    const output = pairs[0]?.work.task.output;
    const all = await model.encodeBatch(items, { ...(output && { output }), signal: this.controller.signal });
    const encode = clock.now() - start;
    observer.stage?.('encode', encode);
    pairs.forEach((pair, i) => pair.work.finish({ tokens: all[i]!, ...this.told(pair, { look, encode }) }));
  }

  /** The library has no batch of these, so each is a batch of its own. */
  private async attend([pair]: readonly Pair[], leases: Map<string, Lease>, look: number | undefined): Promise<void> {
    if (!pair) return;
    const { model, clock, observer } = this.tools;
    const start = clock.now();
    const { signal } = this.controller;
    const maps = await model.attend(lookedAt(pair, leases), pair.prepared.features, { signal });
    const attend = clock.now() - start;
    observer.stage?.('attend', attend);
    pair.work.finish({ maps, ...this.told(pair, { look, attend }) });
  }

  private told(
    { work, prepared }: Pair,
    { look, ...timings }: { look?: number; encode?: number; attend?: number },
  ): Omit<Outcome, 'tokens' | 'maps'> {
    return {
      timings: { ...prepared.timings, ...(prepared.picture && { look }), ...timings },
      cached: prepared.cached,
      begun: work.begun,
      waitedForBatch: this.started - prepared.since,
    };
  }
}

function lookedAt({ work, prepared }: Pair, leases: Map<string, Lease>) {
  const lease = prepared.lease ?? leases.get(work.task.source.key);
  if (!lease) throw new Error('a picture without a lease');
  return lease.looked;
}
