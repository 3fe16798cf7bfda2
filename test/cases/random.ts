/**
 * Numbers from a counter: value i of a tensor is a hash of the case's seed, the tensor's name and i. No state, no order, and the same
 * bits in training/fixtures/random.py, so that the table's tensors need not be stored.
 */

/** A bijection of 32 bits in which every input bit moves about half of the output bits. */
function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** FNV-1a over the name's ASCII codes. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; ++i) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** 32 random bits for each of `count` positions of tensor `name`. Plain loops here: the table has millions, and `from` takes 20 times as long. */
export function bits(seed: number, name: string, count: number): Uint32Array {
  const start = mix(seed ^ hashName(name));
  const words = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) words[i] = mix(start + i);
  return words;
}

/** [-1, 1) in steps of 2^-23, times `gain`, plus `shift`; each step rounded to f32 once. */
export function floats(seed: number, name: string, count: number, { gain = 1, shift = 0 } = {}): Float32Array {
  const factor = Math.fround(gain);
  const words = bits(seed, name, count);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 1) values[i] = Math.fround(((words[i]! >>> 8) * 2 ** -23 - 1) * factor) + shift;
  return values;
}

/** Like `floats`, scaled by 1 / sqrt(fanIn), so that a sum of fanIn products keeps its size. */
export function weights(seed: number, name: string, count: number, fanIn: number): Float32Array {
  return floats(seed, name, count, { gain: 1 / Math.sqrt(fanIn) });
}

export function bytes(seed: number, name: string, count: number): Uint8Array {
  return Uint8Array.from(bits(seed, name, count), (word) => word >>> 24);
}

/** Integers in [0, below). */
export function indices(seed: number, name: string, count: number, below: number): Int32Array {
  return Int32Array.from(bits(seed, name, count), (word) => Math.floor((word >>> 8) * 2 ** -24 * below));
}
