import * as calls from '../calls/abort';

const WHAT = 'the image';

export function throwIfAborted(signal: AbortSignal | undefined): void {
  calls.throwIfAborted(signal, WHAT);
}

/**
 * `work`, or ERR_ABORTED as soon as the signal fires. Neither the decoder nor the resampler can be stopped half-way; what they still
 * do after an abort is bounded by `ImageLimits`, and its result is dropped.
 */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return signal ? calls.untilAborted(work, signal, WHAT) : work;
}
