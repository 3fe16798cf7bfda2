/**
 * The exact algebra that makes question-aware vision nearly free. Each function is pure: numbers in, numbers out, in real arithmetic
 * equal to what it replaces, rounded once. `test/weights/folds.test.ts` holds each against its unfolded form.
 */
import { Turns } from '../calls/turns';
import { roundToBfloat16, roundToHalf, type StoredDType } from './elements';
import type { Matrix } from './weight-parameter';

/** How a pixel becomes a number: value = (pixel * rescale - mean) / std, per channel. */
export interface PixelNormalization {
  readonly rescale: number;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

export interface PatchEmbedding {
  /** Convolution kernels [C, 3, P, P], as frameworks store them. */
  readonly kernels: Float32Array;
  /** [C] */
  readonly bias?: Float32Array;
  /** C */
  readonly width: number;
  /** P */
  readonly patch: number;
}

/** What the position table becomes: that of any size of pictures, with the same constant. */
export interface PositionTable {
  /** [M, C], the class token's first where there is one. */
  readonly positions: Float32Array;
  /** foldPixels()'s, [C]. */
  readonly constant: Float64Array;
  /** [C] */
  readonly classToken?: Float32Array;
}

/**
 * Folds the normalisation of pixels and the convolution's bias into the patch embedding, so that raw bytes go in:
 * W (p r - m) / s + b + t  =  (W r / s) p + (b - (W r / s) (m / r)) + t, with the constant in brackets for foldTable().
 *
 * The constant is taken with the weights as the device keeps them. A picture of the mean colour then has no rounding error at all,
 * and any other only what its distance from the mean brings, as if the pixels had been normalised first.
 *
 * @param dtype what the device keeps the weight in
 * @returns weight [C, P*P*3] over (row, column, channel); constant [C]
 */
export function foldPixels(
  { kernels, bias, width, patch }: PatchEmbedding,
  { rescale, mean, std }: PixelNormalization,
  dtype: StoredDType,
): { weight: Float32Array; constant: Float64Array } {
  const area = patch * patch;
  const round = { f32: Math.fround, bf16: roundToBfloat16, f16: roundToHalf }[dtype];
  const weight = new Float32Array(width * area * 3);
  const constant = new Float64Array(width);
  for (let c = 0; c < width; c++) {
    let sum = bias?.[c] ?? 0;
    for (let channel = 0; channel < 3; channel++) {
      const [scale, zero] = [rescale / std[channel]!, mean[channel]! / rescale];
      for (let i = 0; i < area; i++) {
        const value = round(kernels[(c * 3 + channel) * area + i]! * scale);
        weight[(c * area + i) * 3 + channel] = value;
        sum -= value * zero;
      }
    }
    constant[c] = sum;
  }
  return { weight, constant };
}

/**
 * Of many numbers in turns with other work.
 *
 * @returns [M, C]: t + constant of each patch; the class token is no patch and gets its own vector instead of the constant
 */
export async function foldTable({ positions, constant, classToken }: PositionTable): Promise<Float32Array> {
  const table = new Float32Array(positions.length);
  const width = constant.length;
  const turns = new Turns();
  for (let row = 0; row < table.length; row += width) {
    const vector = row === 0 && classToken ? classToken : constant;
    for (let c = 0; c < width; c++) table[row + c] = positions[row + c]! + vector[c]!;
    await turns.after(width);
  }
  return table;
}

/** D^-0.5 where that is a power of two (D = 16, 64, 256), so that multiplying by it rounds nothing; else undefined. */
export function exactScale(headWidth: number): number | undefined {
  const root = Math.sqrt(headWidth);
  return Number.isInteger(Math.log2(root)) ? 1 / root : undefined;
}

/** Arrays one behind another; each times its factor. */
export function stack(parts: readonly Float32Array[], factors: readonly number[] = []): Float32Array {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let start = 0;
  parts.forEach((part, i) => {
    const factor = factors[i] ?? 1;
    if (factor === 1) all.set(part, start);
    else for (let j = 0; j < part.length; j++) all[start + j] = part[j]! * factor;
    start += part.length;
  });
  return all;
}

/** P(a) + g P_g(a) as one projection: W_P + g W_g; the same for the bias. g = tanh(beta). */
export function foldGate(frozen: Float32Array, gated: Float32Array, gate: number): Float32Array {
  return frozen.map((value, i) => value + gate * gated[i]!);
}

/**
 * LayerScale, a factor for each output of a linear map, folded into the map: s * (W x + b) = (s W) x + s b.
 *
 * @param rows weight [out, in] or bias [out]; scale [out]
 */
export function scaleRows(rows: Float32Array, scale: Float32Array): Float32Array {
  const columns = rows.length / scale.length;
  return rows.map((value, i) => value * scale[Math.floor(i / columns)]!);
}

/**
 * The affine part of a layer norm, folded into the linear map W behind it: W (gamma * n + beta) = (W gamma) n + W beta.
 *
 * @param weight [out, in]; gamma, beta [in]
 * @returns weight [out, in], bias [out]
 */
export function foldNormAffine(
  { data, rows, columns }: Matrix,
  gamma: Float32Array,
  beta: Float32Array,
): { weight: Float32Array; bias: Float32Array } {
  const weight = new Float32Array(data.length);
  const bias = new Float32Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let c = 0; c < columns; c++) {
      const value = data[r * columns + c]!;
      weight[r * columns + c] = value * gamma[c]!;
      sum += value * beta[c]!;
    }
    bias[r] = sum;
  }
  return { weight, bias };
}
