import { setTimeout as sleep } from 'node:timers/promises';
import { PATIENCE_MS, retryDelay } from '../retry';

/** How often in a row a request may fail without anything having come. */
const ATTEMPTS = 5;

/** A failure that may pass: a connection that broke, a server that is busy. */
export class PassingFailure extends Error {
  /** @param retryAfter what the server asks for, as the header says it */
  constructor(
    message: string,
    readonly retryAfter: string | null = null,
  ) {
    super(message);
  }
}

export interface Persistence {
  /** About as long before the first repetition; doubled for each further one. */
  readonly retryMs: number;
  readonly signal?: AbortSignal;
  /** Something that grows as long as there is progress: then failures are forgiven. */
  readonly progress?: () => number;
}

/** Repeats what fails in passing; the last failure is thrown, and one whose server wants to be left alone for long. */
export async function persist<T>(attempt: () => Promise<T>, options: Persistence): Promise<T> {
  const { retryMs, signal, progress = () => 0 } = options;
  let failures = 0;
  let reached = progress();
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof PassingFailure) || signal?.aborted) throw error;
      failures = progress() > reached ? 0 : failures + 1;
      reached = progress();
      if (failures >= ATTEMPTS) throw error;
      const wait = retryDelay(Math.max(0, failures - 1), error.retryAfter, { firstMs: retryMs });
      if (wait > PATIENCE_MS) {
        throw new PassingFailure(`${error.message}, and to be asked again in ${Math.ceil(wait / 1000)} s`);
      }
      await sleep(wait, undefined, { signal });
    }
  }
}
