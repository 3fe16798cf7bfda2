/** Whether contestants did the same work: what they made of the first picture, against PyTorch's f32. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { ModelCase } from '../cases';

export const readFloats = (file: string): Float32Array => new Float32Array(new Uint8Array(readFileSync(file)).buffer);

/** What training/peers/cpu_make.py left. */
export function expectedTokens(directory: string, entry: ModelCase, peer: string): Float32Array {
  const tokens = entry.kind === 'questions' && peer !== 'plain' ? entry.tokens : 0;
  return readFloats(path.join(directory, `expected-${tokens}.f32`));
}

/** The lowest cosine of a row of `actual` with the same of `expected`; of a batch the beginning is compared. NaN: not comparable. */
export function lowestCosine(actual: Float32Array, expected: Float32Array, width: number): number {
  if (actual.length < expected.length) return NaN;
  let lowest = 1;
  for (let row = 0; row < expected.length; row += width) {
    let [dot, a, b] = [0, 0, 0];
    for (let i = row; i < row + width; i += 1) {
      const [x, y] = [actual[i] ?? NaN, expected[i] ?? NaN];
      dot += x * y;
      a += x * x;
      b += y * y;
    }
    const cosine = dot / Math.sqrt(a * b);
    // A NaN must not pass as a value that is not lower.
    if (!(cosine >= lowest)) lowest = cosine;
    if (Number.isNaN(cosine)) return NaN;
  }
  return lowest;
}

/** Below, a contestant computes something else, however fast; int8 of any kind stays well above on these towers. */
export const LEAST_COSINE = 0.98;
