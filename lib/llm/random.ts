/** The next number, uniform in [0, 1). */
export type Random = () => number;

/**
 * xoshiro128** (Blackman and Vigna, 2018), started by splitmix32: small, equal on every machine, and far better than a draw per token
 * needs. `Math.random` cannot be seeded.
 *
 * @param seed a non-negative safe integer
 */
export function seededRandom(seed: number): Random {
  const low = splitmix32(seed % 2 ** 32);
  const high = splitmix32(Math.floor(seed / 2 ** 32));
  const next = xoshiro128([low(), low(), high(), high()]);
  // 53 bits, as many as a double has.
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/** Numbers of 32 bits from a state of four that are not all zero. */
export function xoshiro128([a, b, c, d]: [number, number, number, number]): () => number {
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
}

function rotateLeft(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}

/** Spreads similar seeds: neighbours differ in about half of all bits. */
function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = state;
    x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return x ^ (x >>> 15);
  };
}
