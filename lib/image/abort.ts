import { QAViTError } from '../errors';

function aborted(signal: AbortSignal): QAViTError {
  const message = 'Expected time to finish for the image but received an abort from the AbortSignal';
  return new QAViTError('ERR_ABORTED', message, { cause: signal.reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw aborted(signal);
}

/**
 * `work`, or ERR_ABORTED as soon as the signal fires. Neither the decoder nor the resampler can be stopped half-way; what they still
 * do after an abort is bounded by `ImageLimits`, and its result is dropped.
 */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  let stopListening = () => {};
  const abort = new Promise<never>((_resolve, reject) => {
    const onAbort = () => reject(aborted(signal));
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
