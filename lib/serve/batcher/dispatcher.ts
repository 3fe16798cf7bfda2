import { untilAborted } from '../../calls/abort';
import type { QAViTError } from '../../errors';
import { chooseReplica } from './choose-replica';
import type { BatchModel } from './model';
import type { ResolvedOptions } from './options';
import { Replica } from './replica';
import { type BatchImage, openSource, questionKey } from './sources';
import { type Outcome, type Task, Work } from './work';

/** A request that was let in. */
export interface Admitted {
  readonly client: string;
  readonly signal: AbortSignal;
  /** The clock's milliseconds. */
  readonly since: number;
  /** Counts it out; it may be called again. */
  leave(): void;
}

export interface Done {
  readonly outcome: Outcome;
  readonly replica: Replica;
  readonly queued: number;
  /** Whether another request had begun the same work. */
  readonly shared: boolean;
}

/** Brings requests and works together: equal requests share one, and each goes to a replica. */
export class Dispatcher {
  readonly replicas: readonly Replica[];
  /** Works that a new request may join. */
  private readonly open = new Map<string, Work>();
  /** Where each work waits, runs or has run. */
  private readonly homes = new WeakMap<Work, Replica>();

  constructor(
    models: readonly BatchModel[],
    private readonly options: ResolvedOptions,
  ) {
    const failed = (work: Work, error: QAViTError): void => this.moveOrFail(work, error);
    this.replicas = models.map((model) => new Replica(model, options, failed));
  }

  /** Waits for the work, begun for this request or for another that wants the same. */
  async compute(asked: Omit<Task, 'key' | 'source'>, image: BatchImage, { client, signal }: Admitted): Promise<Done> {
    const { clock, limits, observer } = this.options;
    const source = await openSource(image, limits, signal);
    const { kind, output = '', visualTokens = '' } = asked;
    const key = [kind, output, visualTokens, source.key, questionKey(asked.question)].join(' ');
    const known = this.open.get(key);
    const joined = clock.now();
    const work = known ?? this.begin({ ...asked, key, source });
    const waiter = work.join(client);
    if (known) this.homes.get(work)!.joined(work, client);
    else this.place(work);
    try {
      const outcome = await untilAborted(Promise.race([work.outcome, waiter.refused]), signal, 'Batcher');
      const queued = joined > outcome.begun ? 0 : outcome.begun - joined + outcome.waitedForBatch;
      observer.stage?.('queue', queued);
      return { outcome, replica: this.homes.get(work)!, queued, shared: known !== undefined };
    } finally {
      work.leave(waiter, signal.reason);
    }
  }

  /**
   * Refuses a request that waits, for a work or for the language model, of the client that has most of them, if those are more than this
   * client would have.
   */
  makeRoom(client: string, busy: QAViTError): boolean {
    this.options.observer.refused?.();
    const waiting = new Map<string, number>();
    for (const [other, count] of this.replicas.flatMap((replica) => replica.waitingByClient))
      waiting.set(other, count + (waiting.get(other) ?? 0));
    let [longest, most] = [client, (waiting.get(client) ?? 0) + 1];
    for (const [other, count] of waiting) if (count > most) [longest, most] = [other, count];
    if (longest === client) return false;
    const fullest = this.replicas.reduce((a, b) => (b.waitingOf(longest) > a.waitingOf(longest) ? b : a));
    fullest.refuseNewest(longest, busy);
    return true;
  }

  sum(of: (replica: Replica) => number): number {
    return this.replicas.reduce((all, replica) => all + of(replica), 0);
  }

  private begin(task: Task): Work {
    const forget = (): void => {
      if (this.open.get(task.key) === work) this.open.delete(task.key);
    };
    const work = new Work(task, (client) => {
      // Who comes when nobody waits begins anew: this one is being stopped.
      if (!work.wanted) forget();
      this.homes.get(work)?.left(work, client);
    });
    work.outcome.then(forget, forget);
    this.open.set(task.key, work);
    return work;
  }

  private place(work: Work): void {
    const home = chooseReplica(this.replicas, work.task.source.key, this.options.maxBatch);
    this.homes.set(work, home);
    home.submit(work);
  }

  /** What a failed device had to do, another may do; once. */
  private moveOrFail(work: Work, error: QAViTError): void {
    if (this.replicas.length === 1 || work.moved) return work.fail(error);
    work.moveAway();
    this.place(work);
  }
}
