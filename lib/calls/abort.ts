import { loadAddon } from '../binding/load';
import type { AbortFlag } from '../binding/native';
import { QAViTError } from '../errors';

export function aborted(what: string, reason: unknown): QAViTError {
  const why = reason instanceof Error ? reason.message : 'an abort';
  return new QAViTError('ERR_ABORTED', `Expected completion for ${what} but received ${why}`, { cause: reason });
}

export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw aborted(what, signal.reason);
}

/** Runs native work that stops between two operations once `signal` fires. */
export async function withAbortFlag<T>(
  signal: AbortSignal | undefined,
  work: (flag: AbortFlag | undefined) => Promise<T>,
): Promise<T> {
  if (!signal) return work(undefined);
  const flag = new (loadAddon().AbortFlag)();
  const abort = (): void => flag.abort();
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await work(flag);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** `work`, or ERR_ABORTED as soon as `signal` fires; the work itself goes on. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  let stopListening = (): void => {};
  const abort = new Promise<never>((_resolve, reject) => {
    const onAbort = (): void => reject(aborted(what, signal.reason));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    stopListening = () => signal.removeEventListener('abort', onAbort);
  });
  try {
    return await Promise.race([work, abort]);
  } finally {
    stopListening();
  }
}
