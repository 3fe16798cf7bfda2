import type { Grid } from '../grid';
import type { Rotary } from './towers';

/**
 * The angles that tell patches apart, a patch's row and column times D/4 frequencies from 1 down to almost 1 / base. DINOv3 (Siméoni et al.
 * 2025, arXiv 2508.10104) takes its height and width in the picture, each from -1 to 1 whatever the picture's size, times 2 pi; Qwen2-VL
 * (Wang et al. 2024, arXiv 2409.12191) counts.
 *
 * @param grid of patches
 * @param headWidth D, a multiple of 4
 * @returns [patches, D], of each patch the cosines of its D/2 angles (those of its row first), then their sines
 */
export function rotaryPositions({ rows, columns }: Grid, headWidth: number, { base, places }: Rotary): Float32Array {
  const half = headWidth / 2;
  const quarter = headWidth / 4;
  const table = new Float32Array(rows * columns * headWidth);
  const along = (i: number, count: number): number =>
    places === 'counted' ? i : 2 * Math.PI * ((2 * (i + 0.5)) / count - 1);
  for (let patch = 0; patch < rows * columns; patch++) {
    const at = [along(Math.floor(patch / columns), rows), along(patch % columns, columns)];
    for (let i = 0; i < half; i++) {
      const angle = at[Math.floor(i / quarter)]! * base ** (-(i % quarter) / quarter);
      table[patch * headWidth + i] = Math.cos(angle);
      table[patch * headWidth + half + i] = Math.sin(angle);
    }
  }
  return table;
}
