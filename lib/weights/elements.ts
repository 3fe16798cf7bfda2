import { types } from 'node:util';
import type { HostArray } from '../binding/native';

/** Stored float types that a parameter may have. */
export type StoredDType = 'f32' | 'bf16' | 'f16';

export const BYTES: Readonly<Record<StoredDType, number>> = { f32: 4, bf16: 2, f16: 2 };

/** Exponent bits of one element: all set means infinity or NaN. */
const EXPONENT: Readonly<Record<StoredDType, number>> = { f32: 0x7f800000, bf16: 0x7f80, f16: 0x7c00 };

/** The elements in `bytes` as the addon takes them. Copies only where the bytes are not aligned. */
export function elementsOf(bytes: Uint8Array, dtype: StoredDType): Float32Array | Uint16Array {
  const aligned = bytes.byteOffset % BYTES[dtype] === 0 ? bytes : Uint8Array.from(bytes);
  const length = aligned.byteLength / BYTES[dtype];
  return dtype === 'f32'
    ? new Float32Array(aligned.buffer, aligned.byteOffset, length)
    : new Uint16Array(aligned.buffer, aligned.byteOffset, length);
}

/** Widened to f32, which is exact. */
export function toFloat32(elements: HostArray, dtype: StoredDType): Float32Array {
  if (types.isFloat32Array(elements)) return elements;
  return dtype === 'bf16' ? fromBfloat16(elements) : fromHalf(elements);
}

/** Position of the first element that is infinite or NaN, or -1. */
export function firstNonFinite(elements: Float32Array | Uint16Array, dtype: StoredDType): number {
  if (elements.length === 0) return -1; // also of one whose memory is gone
  const mask = EXPONENT[dtype];
  const bits = dtype === 'f32' ? new Uint32Array(elements.buffer, elements.byteOffset, elements.length) : elements;
  for (let i = 0; i < bits.length; i++) if (((bits[i] as number) & mask) === mask) return i;
  return -1;
}

/** Rounds to nearest even, as native code does while packing. Finite numbers only. */
export function toBfloat16(numbers: Float32Array): Uint16Array {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  const rounded = new Uint16Array(bits.length);
  for (let i = 0; i < rounded.length; i++) rounded[i] = roundedUpperHalf(bits[i] as number);
  return rounded;
}

/** Rounds to nearest even; what is beyond the largest half, 65504, becomes infinite. Finite numbers only. */
export function toHalf(numbers: Float32Array): Uint16Array {
  const bits = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
  const rounded = new Uint16Array(bits.length);
  for (let i = 0; i < rounded.length; i++) rounded[i] = halfOf(bits[i] as number);
  return rounded;
}

/** Finite numbers as a file of `dtype` has them; infinite ones where a number is beyond the type. */
export function narrowed(numbers: Float32Array, dtype: StoredDType): Float32Array | Uint16Array {
  if (dtype === 'f32') return numbers;
  return dtype === 'bf16' ? toBfloat16(numbers) : toHalf(numbers);
}

/** A finite number as bf16 keeps it. */
export function roundToBfloat16(value: number): number {
  scratch[0] = value;
  scratchBits[0] = roundedUpperHalf(scratchBits[0] as number) << 16;
  return scratch[0];
}

/** A finite number as f16 keeps it. */
export function roundToHalf(value: number): number {
  const magnitude = Math.abs(Math.fround(value));
  // A subnormal half counts in steps of 2^-24, which is what the last bit of an f32 in [0.5, 1) is worth.
  if (magnitude < 2 ** -14) return Math.sign(value) * (Math.fround(magnitude + 0.5) - 0.5);
  scratch[0] = magnitude;
  const bits = scratchBits[0]!;
  scratchBits[0] = (bits + 0xfff + ((bits >>> 13) & 1)) & ~0x1fff;
  return Math.sign(value) * (scratch[0] > 65504 ? Infinity : scratch[0]);
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

function roundedUpperHalf(bits: number): number {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Bits of an f32 to bits of the nearest f16. */
function halfOf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // 65520, the middle between the largest half and the next
  // From 2^-14 on both are normal, and their exponents count from 112 apart.
  if (magnitude >= 0x38800000) return sign | ((magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13);
  // As in roundToHalf: the last bit of an f32 in [0.5, 1) is worth as much as that of a subnormal half.
  scratchBits[0] = magnitude;
  scratch[0] = scratch[0]! + 0.5;
  return sign | (scratchBits[0] - 0x3f000000);
}

/** A bf16 is the upper half of an f32. */
function fromBfloat16(elements: HostArray): Float32Array {
  const wide = new Uint32Array(elements.length);
  for (let i = 0; i < wide.length; i++) wide[i] = (elements[i] as number) << 16;
  return new Float32Array(wide.buffer);
}

/** All 65,536 halves, made when the first file in f16 comes along: looking one up is ten times as fast as computing it. */
let halves: Float32Array | undefined;

function fromHalf(elements: HostArray): Float32Array {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, bits) => halfToNumber(bits));
  const wide = new Float32Array(elements.length);
  for (let i = 0; i < wide.length; i++) wide[i] = halves[elements[i] as number] as number;
  return wide;
}

function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
