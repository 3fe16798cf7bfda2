import { QAViTError } from '../../errors';
import type { ImageLimits } from '../../image';
import { BatchRun } from './batch-run';
import { Buckets } from './buckets';
import type { Clock } from './clock';
import { FairQueue } from './fair-queue';
import { FairSlots } from './fair-slots';
import { Looking } from './looking';
import type { BatchModel } from './model';
import { PictureCache } from './picture-cache';
import { Preparation } from './preparation';
import type { BatcherObserver } from './types';
import type { Work } from './work';

/** Batches under way at once: where there is enough to do, one is computed while the results of the other are handed out. */
const BATCHES = 2;
/** Answers at a time of a language model that does not write them together. */
const ANSWERS_APART = 4;
/** How long a replica whose device failed is passed over where there are others. */
const REST_MS = 1000;

export interface ReplicaOptions {
  readonly maxBatch: number;
  readonly delayMs: number;
  readonly maxAnswers: number | undefined;
  readonly imageCacheBytes: number;
  readonly questionCacheBytes: number;
  readonly limits: ImageLimits;
  readonly observer: BatcherObserver;
  readonly clock: Clock;
}

/**
 * One model on its device. Works wait in turns of their clients; those that are next are prepared (decoded, listened to), and those that
 * are ready are computed together.
 */
export class Replica {
  readonly pictures: PictureCache;
  readonly preparation: Preparation;
  /** Clients take turns: a language model that writes no answers together shares itself out token by token, and few are written at a time. */
  readonly answers: FairSlots;
  private readonly waiting = new FairQueue<Work>();
  private readonly ready: Buckets<Work>;
  private readonly looking: Looking;
  private readonly runs = new Map<Work, BatchRun>();
  private running = 0;
  /** Works past the queue: prepared, ready or running. */
  private begun = 0;
  private timer: (() => void) | undefined;
  private soon: NodeJS.Immediate | undefined;
  private restsUntil = -Infinity;

  /** @param failed decides what becomes of a work whose device failed */
  constructor(
    readonly model: BatchModel,
    private readonly options: ReplicaOptions,
    private readonly failed: (work: Work, error: QAViTError) => void,
  ) {
    this.pictures = new PictureCache(options.imageCacheBytes);
    this.preparation = new Preparation(model, this.pictures, options);
    this.looking = new Looking(model, this.pictures);
    this.ready = new Buckets(options.maxBatch, options.delayMs, options.clock);
    this.answers = new FairSlots(options.maxAnswers ?? model.info.language?.answersTogether ?? ANSWERS_APART);
  }

  /** Works and answers that wait or are under way. */
  get load(): number {
    return this.waiting.size + this.begun + this.answers.queued + this.answers.taken;
  }

  /** Works that have not begun. */
  get queued(): number {
    return this.waiting.size;
  }

  get resting(): boolean {
    return this.options.clock.now() < this.restsUntil;
  }

  /** How much waits for each client: works, and then answers. */
  get waitingByClient(): [client: string, count: number][] {
    return [...this.waiting.counts, ...this.answers.waitingByClient];
  }

  waitingOf(client: string): number {
    return this.waiting.waiting(client) + this.answers.waitingOf(client);
  }

  submit(work: Work): void {
    work.state = 'waiting';
    for (const client of work.clients) this.waiting.push(client, work);
    this.advance();
  }

  /** One more waits for a work: unless it has begun, it begins at the turn of whichever client comes first. */
  joined(work: Work, client: string): void {
    if (work.state === 'waiting') this.waiting.push(client, work);
  }

  /** Refuses the newest request of a client that waits: for a work, of which nothing is lost, or else for the language model. */
  refuseNewest(client: string, busy: QAViTError): void {
    const work = this.waiting.newest(client);
    if (work) work.refuseNewest(client, busy);
    else this.answers.refuseNewest(client, busy);
  }

  /** A request waits for a work no more. When nobody does, it never begins unless it has. */
  left(work: Work, client: string): void {
    if (!work.wantedBy(client)) this.waiting.remove(client, work);
    if (work.wanted) return;
    if (work.state === 'ready' && this.ready.remove(work.prepared?.bucket ?? '', work)) this.begun -= 1;
    this.runs.get(work)?.abandon();
    if (work.state === 'waiting' || work.state === 'ready') work.fail(work.controller.signal.reason);
    this.advance();
  }

  /** Starts what can start, and sets the clock for what can start later. */
  private advance(): void {
    // Twice a batch: while one is computed the next is prepared. Who waits beyond that waits for the turn of its client.
    while (this.begun < 2 * this.options.maxBatch) {
      const work = this.waiting.shift();
      if (!work) break;
      this.begun += 1;
      void this.prepare(work);
    }
    while (this.running < BATCHES) {
      // Behind another one it could only wait for the device, and may as well grow meanwhile.
      const batch = this.ready.take(this.running > 0);
      if (!batch) break;
      void this.run(batch);
    }
    this.timer?.();
    this.timer = undefined;
    const due = this.running === 0 ? this.ready.nextDue() : undefined;
    if (due === undefined) return;
    this.timer = this.options.clock.after(Math.max(0, due - this.options.clock.now()), () => this.advance());
  }

  private async prepare(work: Work): Promise<void> {
    work.state = 'preparing';
    work.begun = this.options.clock.now();
    try {
      work.prepared = await this.preparation.prepare(work);
      if (!work.wanted) throw work.controller.signal.reason;
      work.state = 'ready';
      this.ready.add(work.prepared.bucket, work);
    } catch (error) {
      this.begun -= 1;
      if (error instanceof QAViTError && error.code === 'ERR_DEVICE') this.deviceFailed([work], error);
      else work.fail(error);
    }
    this.advanceSoon();
  }

  private deviceFailed(works: readonly Work[], error: QAViTError): void {
    this.restsUntil = this.options.clock.now() + REST_MS;
    for (const work of works) {
      if (work.wanted) this.failed(work, error);
      else work.fail(error);
    }
  }

  /** What becomes ready in the same turn of the event loop, as questions about a picture that was decoded once do, starts together. */
  private advanceSoon(): void {
    this.soon ??= setImmediate(() => {
      this.soon = undefined;
      this.advance();
    });
  }

  private async run(works: readonly Work[]): Promise<void> {
    this.running += 1;
    const { pictures } = this;
    const { model, looking } = this;
    const { observer, clock } = this.options;
    const run = new BatchRun({ model, looking, observer, clock, relieve: () => pictures.clear() }, works);
    for (const work of works) {
      work.state = 'running';
      this.runs.set(work, run);
    }
    const error = await run.run();
    for (const work of works) this.runs.delete(work);
    this.running -= 1;
    this.begun -= works.length;
    const left = works.filter(({ state }) => state !== 'over');
    if (error) this.deviceFailed(left, error);
    else for (const work of left) work.fail(work.controller.signal.reason);
    this.advance();
  }

  /** Lets go of everything that is cached; what is under way goes on. */
  clear(): void {
    this.timer?.();
    this.pictures.clear();
    this.preparation.questions.clear();
  }
}
