/**
 * Takes all that `source` gives as fast as it comes and hands it on as fast as it is asked for, so that a slow reader holds nothing up.
 * What waits to be read is bounded by what the source gives. Ending the loop early ends the source.
 *
 * @param over called when the source has ended, however that was
 */
export async function* readAhead<T, R>(
  source: AsyncGenerator<T, R, void>,
  over: () => void,
): AsyncGenerator<T, R, void> {
  const waiting: T[] = [];
  let end: { result: R } | { error: unknown } | undefined;
  let wake = (): void => {};
  const pump = (async (): Promise<void> => {
    try {
      for (;;) {
        const { done, value } = await source.next();
        if (done) return void (end = { result: value });
        waiting.push(value);
        wake();
      }
    } catch (error) {
      end = { error };
    } finally {
      over();
      wake();
    }
  })();
  try {
    for (;;) {
      while (waiting.length > 0) yield waiting.shift() as T;
      if (end && 'error' in end) throw end.error;
      if (end) return end.result;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    if (!end) {
      await source.return(undefined as R).catch(() => undefined);
      await pump;
    }
  }
}
