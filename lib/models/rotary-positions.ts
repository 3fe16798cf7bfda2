import type { Grid } from '../grid';

/**
 * The angles that tell the patches of DINOv3 apart (Siméoni et al. 2025, arXiv 2508.10104): a patch's height and width in the picture,
 * each from -1 to 1 whatever the picture's size, times 2 pi and D/4 frequencies from 1 down to almost 1 / base.
 *
 * @param grid of patches
 * @param headWidth D, a multiple of 4
 * @returns [patches, D], of each patch the cosines of its D/2 angles (those of its height first), then their sines
 */
export function rotaryPositions({ rows, columns }: Grid, headWidth: number, base: number): Float32Array {
  const half = headWidth / 2;
  const quarter = headWidth / 4;
  const table = new Float32Array(rows * columns * headWidth);
  const centre = (i: number, count: number): number => (2 * (i + 0.5)) / count - 1;
  for (let place = 0; place < rows * columns; place++) {
    const at = [centre(Math.floor(place / columns), rows), centre(place % columns, columns)];
    for (let i = 0; i < half; i++) {
      const angle = 2 * Math.PI * at[Math.floor(i / quarter)]! * base ** (-(i % quarter) / quarter);
      table[place * headWidth + i] = Math.cos(angle);
      table[place * headWidth + half + i] = Math.sin(angle);
    }
  }
  return table;
}
