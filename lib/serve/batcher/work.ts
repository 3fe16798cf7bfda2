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
  private waiters = 0;

  constructor(
    readonly task: Task,
    /** Whose turn it takes: the first that asked. */
    readonly client: string,
    private readonly abandoned: (work: Work) => void,
  ) {
    this.outcome = new Promise((resolve, reject) => (this.settle = { resolve, reject }));
    // Reported to those who wait; when nobody does, nobody needs to know.
    this.outcome.catch(() => undefined);
  }

  get wanted(): boolean {
    return this.waiters > 0;
  }

  join(): void {
    this.waiters += 1;
  }

  leave(reason: unknown): void {
    this.waiters -= 1;
    if (this.waiters > 0 || this.state === 'over') return;
    this.controller.abort(reason);
    this.abandoned(this);
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
