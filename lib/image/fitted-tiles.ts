import type { Grid } from '../grid';
import type { Size } from './geometry';
import type { Cut } from './tiles';

/**
 * LLaVA-NeXT's way ("any resolution"): of the grids that a model knows the one that keeps most of a picture's pixels, and of several the
 * one with the smallest border. Undefined where none is allowed.
 */
export function fitIntoGrid(picture: Size, side: number, grids: readonly Grid[]): Cut | undefined {
  let best: Grid | undefined;
  let [mostKept, leastWasted] = [0, Infinity];
  for (const grid of grids) {
    const { width, height } = canvasOf(grid, side);
    const scale = Math.min(width / picture.width, height / picture.height);
    const scaled = Math.trunc(picture.width * scale) * Math.trunc(picture.height * scale);
    const kept = Math.min(scaled, picture.width * picture.height);
    const wasted = width * height - kept;
    if (kept > mostKept || (kept === mostKept && wasted < leastWasted)) {
      best = grid;
      [mostKept, leastWasted] = [kept, wasted];
    }
  }
  if (!best) return undefined;
  const canvas = canvasOf(best, side);
  return { ...best, side, sizes: [fitted(picture, canvas)], canvas, wholeOf: 'picture' };
}

function canvasOf({ rows, columns }: Grid, side: number): Size {
  return { width: columns * side, height: rows * side };
}

/** The picture in its proportions, as large as the canvas allows; the edge that does not touch is rounded up. */
function fitted({ width, height }: Size, canvas: Size): Size {
  const [across, down] = [canvas.width / width, canvas.height / height];
  return across < down
    ? { width: canvas.width, height: Math.min(Math.ceil(height * across), canvas.height) }
    : { height: canvas.height, width: Math.min(Math.ceil(width * down), canvas.width) };
}
