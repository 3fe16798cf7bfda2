import { expect } from 'chai';

/** NaN, infinities and finite numbers are kinds that no tolerance bridges. */
const kind = (value: number): string => (Number.isFinite(value) ? 'finite' : String(value));

/**
 * Relative Frobenius error |actual - wanted| / |wanted|; the absolute one where `wanted` is zero. Lengths and the places of NaN and
 * infinities must agree exactly: they are held first, since a norm would hide them or drown in them.
 */
export function relativeError(actual: ArrayLike<number>, wanted: ArrayLike<number>): number {
  expect(actual.length, 'number of values').to.equal(wanted.length);
  let difference = 0;
  let norm = 0;
  for (let i = 0; i < wanted.length; i += 1) {
    const [a, w] = [actual[i]!, wanted[i]!];
    if (kind(a) !== kind(w)) expect.fail(`value ${i}: expected ${w} but received ${a}`);
    if (!Number.isFinite(w)) continue;
    difference += (a - w) ** 2;
    norm += w ** 2;
  }
  return Math.sqrt(difference) / (norm > 0 ? Math.sqrt(norm) : 1);
}
