import { expected } from '../errors';
import type { AttentionMaps } from '../qavit/types';
import { type PatchGrid, patchGrid } from './patch-grid';

type Grid = AttentionMaps['grid'];

/** Share of each patch's attention that goes to the question: summed over its tokens, mean over the fused layers. */
export function attentionToQuestion({ layers, grid }: AttentionMaps): PatchGrid {
  const [first] = layers;
  if (!first) throw expected('ERR_ARGUMENT', 'at least one fused layer', 'attention to the question', 'none');
  const [tokens, words] = first.attention.shape;
  const shares = new Float64Array(tokens);
  for (const { attention } of layers) {
    attention.data.forEach((share, i) => {
      const token = Math.floor(i / words);
      shares[token] = (shares[token] ?? 0) + share / layers.length;
    });
  }
  return patchGrid(shares, grid.rows, grid.columns);
}

/** How far the question moves each patch's feature, relative to the plain ViT's. */
export function changeByQuestion({ difference, grid }: AttentionMaps): PatchGrid {
  return patchGrid(difference, grid.rows, grid.columns);
}

/** Features of visual tokens: [M, C] or, without the class token, [rows * columns, C]. */
export interface Features {
  data: Float32Array;
  shape: [number, number];
}

/** The patches' rows; a class token stands before them. */
function patchRows({ data, shape: [tokens, width] }: Features, { rows, columns }: Grid): Float32Array[] {
  const first = tokens - rows * columns;
  return Array.from({ length: rows * columns }, (_, patch) => {
    const start = (first + patch) * width;
    return data.subarray(start, start + width);
  });
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += (a[c] ?? 0) * (b[c] ?? 0);
  return sum;
}

/**
 * How much each patch stands out: 1 - cosine between its feature and the mean of all patches'. Near 0 where a patch is like the rest of
 * the picture, above 1 where it points away from it.
 */
export function standingOut(features: Features, grid: Grid): PatchGrid {
  const rows = patchRows(features, grid);
  const mean = new Float64Array(features.shape[1]);
  for (const row of rows) row.forEach((value, c) => (mean[c] = (mean[c] ?? 0) + value / rows.length));
  const meanNorm = Math.sqrt(dot(mean, mean));
  const distances = rows.map((row) => {
    const norms = Math.sqrt(dot(row, row)) * meanNorm;
    return norms > 0 ? 1 - dot(row, mean) / norms : 0;
  });
  return patchGrid(distances, grid.rows, grid.columns);
}

/** ||a - b|| / ||plain|| of each patch's feature: how differently two questions make the encoder see it. */
export function differenceBetween(a: Features, b: Features, plain: Features, grid: Grid): PatchGrid {
  const [rowsOfA, rowsOfB] = [patchRows(a, grid), patchRows(b, grid)];
  const distances = patchRows(plain, grid).map((row, patch) => {
    const difference = Float64Array.from(row, (_, c) => (rowsOfA[patch]?.[c] ?? 0) - (rowsOfB[patch]?.[c] ?? 0));
    const norm = dot(row, row);
    return norm > 0 ? Math.sqrt(dot(difference, difference) / norm) : 0;
  });
  return patchGrid(distances, grid.rows, grid.columns);
}
