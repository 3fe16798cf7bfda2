import type { Grid } from '../grid';

/**
 * PyTorch's bicubic interpolation (align_corners off), which transformers' interpolate_pos_encoding resizes position tables with.
 * Computed in f64 and rounded once; PyTorch's own f32 differs in the last bits. `nearest`: the row in whose part of the picture a patch
 * begins.
 */
export type GridFilter = 'bicubic' | 'bicubic-antialiased' | 'nearest';

/**
 * @param grid [from.rows, from.columns, C], row-major
 * @returns [to.rows, to.columns, C]
 */
export function resizeGrid(grid: Float32Array, from: Grid, to: Grid, filter: GridFilter): Float32Array {
  const width = grid.length / (from.rows * from.columns);
  const down = TAPS[filter](from.rows, to.rows);
  const across = TAPS[filter](from.columns, to.columns);
  const out = new Float32Array(to.rows * to.columns * width);
  const row = new Float64Array(from.columns * width);
  down.forEach((rows, y) => {
    row.fill(0);
    for (const { at, weight } of rows) {
      const start = at * row.length;
      for (let i = 0; i < row.length; i++) row[i]! += weight * grid[start + i]!;
    }
    across.forEach((columns, x) => {
      const start = (y * to.columns + x) * width;
      for (let c = 0; c < width; c++) {
        let sum = 0;
        for (const { at, weight } of columns) sum += weight * row[at * width + c]!;
        out[start + c] = sum;
      }
    });
  });
  return out;
}

/** A source position and what it counts. */
interface Tap {
  readonly at: number;
  readonly weight: number;
}

const TAPS: Readonly<Record<GridFilter, (from: number, to: number) => Tap[][]>> = {
  bicubic: bicubicTaps,
  'bicubic-antialiased': antialiasedTaps,
  nearest: nearestTaps,
};

function nearestTaps(from: number, to: number): Tap[][] {
  return Array.from({ length: to }, (_, i) => [{ at: Math.floor((i * from) / to), weight: 1 }]);
}

/** Four neighbours, with those outside the grid replaced by its edge. Made smaller, a grid is sampled, not averaged. */
function bicubicTaps(from: number, to: number): Tap[][] {
  return Array.from({ length: to }, (_, i) => {
    const center = ((i + 0.5) * from) / to - 0.5;
    const first = Math.floor(center) - 1;
    return [0, 1, 2, 3].map((k) => ({
      at: Math.min(Math.max(first + k, 0), from - 1),
      // PyTorch's steepness here; its antialiased form takes Pillow's.
      weight: cubic(first + k - center, -0.75),
    }));
  });
}

/** A kernel as wide as the reduction, cut off at the edges. */
function antialiasedTaps(from: number, to: number): Tap[][] {
  const stretch = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = ((i + 0.5) * from) / to;
    const first = Math.max(Math.trunc(center - 2 * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(center + 2 * stretch + 0.5), from);
    const weights = Array.from({ length: end - first }, (_, k) => cubic((first + k - center + 0.5) / stretch, -0.5));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight, k) => ({ at: first + k, weight: weight / sum }));
  });
}

/** Keys' cubic convolution kernel with slope `a` at distance 1. */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x >= 2) return 0;
  return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : (((x - 5) * x + 8) * x - 4) * a;
}
