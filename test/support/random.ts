/** A small seeded generator (mulberry32): tests must fail the same way twice. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** An integer in [low, high]. */
export const integer = (next: () => number, low: number, high: number): number =>
  low + Math.floor(next() * (high - low + 1));

/** n numbers in [-1, 1), exact in f32. */
export function floats(next: () => number, n: number): Float32Array {
  const values = new Float32Array(n);
  for (let i = 0; i < n; i += 1) values[i] = next() * 2 - 1;
  return values;
}
