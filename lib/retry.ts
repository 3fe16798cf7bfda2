/** When a request to a server that failed in passing is sent again. */

/** The first wait; each further one is twice as long. */
const FIRST_MS = 500;
const LONGEST_MS = 8000;
/** A server that wants to be left alone for longer is not waited for: its client decides. */
export const PATIENCE_MS = 60_000;

export interface RetryOptions {
  readonly firstMs?: number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/**
 * How long to wait before a request is sent again, in milliseconds.
 *
 * @param attempt 0 after the first failure
 * @param retryAfter the header: seconds, or a date
 */
export function retryDelay(
  attempt: number,
  retryAfter: string | null,
  { firstMs = FIRST_MS, random = Math.random }: RetryOptions = {},
): number {
  const asked = retryAfter === null ? NaN : retryAfterMs(retryAfter);
  if (!Number.isNaN(asked)) return asked;
  // Spread, so that clients that were turned away together do not come back together.
  return Math.min(LONGEST_MS, firstMs * 2 ** attempt) * (0.5 + random() / 2);
}

/** NaN for what is neither. */
function retryAfterMs(header: string): number {
  if (/^\s*\d+(\.\d+)?\s*$/.test(header)) return Number(header) * 1000;
  return Math.max(0, Date.parse(header) - Date.now());
}
