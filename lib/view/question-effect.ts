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

/**
 * How much each patch stands out: 1 - cosine between its feature and the mean of all patches'. Near 0 where a patch is like the rest of
 * the picture, above 1 where it points away from it.
 *
 * @param features [M, C] or, without the class token, [rows * columns, C]
 */
export function standingOut(features: { data: Float32Array; shape: [number, number] }, grid: Grid): PatchGrid {
  const [tokens, width] = features.shape;
  const patches = grid.rows * grid.columns;
  const rows = Array.from({ length: patches }, (_, patch) => {
    const start = (tokens - patches + patch) * width;
    return features.data.subarray(start, start + width);
  });
  const mean = Float64Array.from(
    { length: width },
    (_, c) => rows.reduce((sum, row) => sum + (row[c] ?? 0), 0) / patches,
  );
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
    let sum = 0;
    for (let c = 0; c < width; c++) sum += (a[c] ?? 0) * (b[c] ?? 0);
    return sum;
  };
  const meanNorm = Math.sqrt(dot(mean, mean));
  const distances = rows.map((row) => {
    const norms = Math.sqrt(dot(row, row)) * meanNorm;
    return norms > 0 ? 1 - dot(row, mean) / norms : 0;
  });
  return patchGrid(distances, grid.rows, grid.columns);
}
