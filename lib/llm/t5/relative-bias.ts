/** How distances are sorted into buckets. */
export interface Buckets {
  readonly buckets: number;
  /** From here on there is one bucket. */
  readonly maxDistance: number;
  /** Whether keys behind a query have buckets of their own: an encoder's. A decoder sees none. */
  readonly bidirectional: boolean;
}

/**
 * The bucket of a key `distance` places behind its query (before it: negative). Half of a direction's buckets hold one distance each,
 * the others grow with its logarithm (Raffel et al. 2020, arXiv 1910.10683, section 2.1).
 *
 * Rounded to f32 after every step, as the models were trained: on the border of two buckets rounding decides.
 */
export function bucketOf(distance: number, { buckets, maxDistance, bidirectional }: Buckets): number {
  const count = bidirectional ? buckets / 2 : buckets;
  const base = bidirectional && distance > 0 ? count : 0;
  const far = bidirectional ? Math.abs(distance) : Math.max(0, -distance);
  const exact = count / 2;
  if (far < exact) return base + far;
  const ratio = Math.fround(Math.log(Math.fround(far / exact)));
  const share = Math.fround(ratio / Math.fround(Math.log(maxDistance / exact)));
  const step = Math.trunc(Math.fround(share * (count - exact)));
  return base + Math.min(exact + step, count - 1);
}

/**
 * The bias of every distance from -R to R = maxDistance, beyond which it stays the same.
 *
 * @param table [buckets, H], as stored
 * @returns [H, 2R + 1]
 */
export function biasByDistance(table: Float32Array, heads: number, how: Buckets): Float32Array {
  const columns = 2 * how.maxDistance + 1;
  const bias = new Float32Array(heads * columns);
  for (let i = 0; i < columns; i++) {
    const bucket = bucketOf(i - how.maxDistance, how);
    for (let h = 0; h < heads; h++) bias[h * columns + i] = table[bucket * heads + h] as number;
  }
  return bias;
}
