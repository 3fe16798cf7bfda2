import type { QAViTError } from '../../errors';
import type { AttentionMaps, Picture, QuestionFeatures, QuestionInput, VisualTokens } from '../../qavit/types';
import type { Lease } from './picture-cache';
import type { Source } from './sources';
import type { Cached, Timings } from './types';

/** What a request is about. Two with the same key are one piece of work. */
export interface Task {
  readonly key: string;
  readonly kind: 'encode' | 'attend';
  readonly source: Source;
  readonly question: QuestionInput;
  /** Of `encode`. */
  readonly output?: 'projected' | 'tower';
  /** Of `encode`. */
  readonly visualTokens?: number | 'all';
}

export interface Outcome {
  readonly tokens?: VisualTokens;
  readonly maps?: AttentionMaps;
  readonly timings: Omit<Timings, 'queued' | 'total'>;
  readonly cached: Cached;
  /** When the work began, and how long it waited for its batch after that; the clock's milliseconds. */
  readonly begun: number;
  readonly waitedForBatch: number;
}

/** Picture and question, ready to be computed. */
export interface Prepared {
  /** Features of the question; null for the plain tower. */
  readonly features: QuestionFeatures | null;
  /** Holds a picture that the cache had. */
  readonly lease?: Lease;
  /** Else the picture, decoded. */
  readonly picture?: Picture;
  readonly bucket: string;
  readonly timings: Pick<Timings, 'decode' | 'listen'>;
  readonly cached: Cached;
  /** When it began to wait for a batch. */
  readonly since: number;
}

/** A request that waits for a work. */
export interface Waiter {
  readonly client: string;
  /** Rejects when it is refused while the work goes on for others. */
  readonly refused: Promise<never>;
  refuse(error: QAViTError): void;
}

/** One piece of work and who waits for it. It goes on as long as somebody does. */
export class Work {
  readonly controller = new AbortController();
  readonly outcome: Promise<Outcome>;
  state: 'waiting' | 'preparing' | 'ready' | 'running' | 'over' = 'waiting';
  prepared: Prepared | undefined;
  begun = 0;
  /** Whether it was moved from a replica that failed. */
  moved = false;
  private settle!: { resolve(outcome: Outcome): void; reject(error: unknown): void };
  /** By client, the first that asked first; no set is empty. */
  private readonly waiters = new Map<string, Set<Waiter>>();

  /** @param left told whose request leaves before the work is over */
  constructor(
    readonly task: Task,
    private readonly left: (client: string) => void,
  ) {
    this.outcome = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    // Reported to those who wait; when nobody does, nobody needs to know.
    this.outcome.catch(() => undefined);
  }

  get wanted(): boolean {
    return this.waiters.size > 0;
  }

  /** Who waits for it, the first that asked first. */
  get clients(): string[] {
    return [...this.waiters.keys()];
  }

  wantedBy(client: string): boolean {
    return this.waiters.has(client);
  }

  join(client: string): Waiter {
    let refuse!: Waiter['refuse'];
    const refused = new Promise<never>((_resolve, reject) => (refuse = reject));
    // Told to who waits; whoever has left does not need to know.
    refused.catch(() => undefined);
    const waiter = { client, refused, refuse };
    this.waiters.set(client, (this.waiters.get(client) ?? new Set()).add(waiter));
    return waiter;
  }

  /** Calling it again does nothing. */
  leave(waiter: Waiter, reason: unknown): void {
    const { client } = waiter;
    const own = this.waiters.get(client);
    if (!own?.delete(waiter)) return;
    if (own.size === 0) this.waiters.delete(client);
    if (this.state === 'over') return;
    if (!this.wanted) this.controller.abort(reason);
    this.left(client);
  }

  /** Sends the request of a client away that joined last. */
  refuseNewest(client: string, busy: QAViTError): void {
    const newest = [...(this.waiters.get(client) ?? [])].at(-1);
    if (!newest) return;
    newest.refuse(busy);
    this.leave(newest, busy);
  }

  finish(outcome: Outcome): void {
    this.end();
    this.settle.resolve(outcome);
  }

  fail(error: unknown): void {
    this.end();
    this.settle.reject(error);
  }

  /** Back to the queue, of another replica: nothing that this one holds goes with it. */
  moveAway(): void {
    this.moved = true;
    this.letGo();
  }

  private end(): void {
    this.state = 'over';
    this.letGo();
  }

  private letGo(): void {
    this.prepared?.lease?.release();
    this.prepared = undefined;
  }
}
