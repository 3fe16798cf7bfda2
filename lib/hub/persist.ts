import { setTimeout as sleep } from 'node:timers/promises';

/** How often in a row a request may fail without anything having come. */
const ATTEMPTS = 5;
/** A server that wants to be left alone for longer is taken for one that is down. */
const LONGEST_WAIT_MS = 60_000;

/** A failure that may pass: a connection that broke, a server that is busy. */
export class PassingFailure extends Error {
  /** @param waitMs what the server asks for */
  constructor(
    message: string,
    readonly waitMs = 0,
  ) {
    super(message);
  }
}

export interface Persistence {
  /** Before the first repetition; doubled for each further one. */
  readonly retryMs: number;
  readonly signal?: AbortSignal;
  /** Something that grows as long as there is progress: then failures are forgiven. */
  readonly progress?: () => number;
}

/** Repeats what fails in passing; the last failure is thrown. */
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
      const wait = Math.min(Math.max(error.waitMs, retryMs * 2 ** Math.max(0, failures - 1)), LONGEST_WAIT_MS);
      await sleep(wait, undefined, { signal });
    }
  }
}
