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
export function rotaryPositions(grid: Grid, headWidth: number, rotary: Rotary): Float32Array {
  const { rows, columns } = grid;
  const half = headWidth / 2;
  const quarter = headWidth / 4;
  const [down, across] = [rows, columns].map((count) => turnsAlong(count, quarter, rotary)) as [Turned, Turned];
  const table = new Float32Array(rows * columns * headWidth);
  let at = 0;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at += headWidth) {
      for (let i = 0; i < quarter; i++) {
        const [y, x] = [row * quarter + i, column * quarter + i];
        table[at + i] = down.cosines[y]!;
        table[at + quarter + i] = across.cosines[x]!;
        table[at + half + i] = down.sines[y]!;
        table[at + half + quarter + i] = across.sines[x]!;
      }
    }
  }
  return table;
}

/** [places along an edge, D/4] */
interface Turned {
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
}

/** Patches of a row have its angle in common, and those of a column: there are few of them. */
function turnsAlong(count: number, quarter: number, { base, places }: Rotary): Turned {
  const angles = Float64Array.from({ length: count * quarter }, (_, i) => {
    const place = Math.floor(i / quarter);
    const along = places === 'counted' ? place : 2 * Math.PI * ((2 * (place + 0.5)) / count - 1);
    return along * base ** (-(i % quarter) / quarter);
  });
  return { cosines: angles.map(Math.cos), sines: angles.map(Math.sin) };
}
