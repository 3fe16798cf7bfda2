import { Turns } from '../calls/turns';
import type { Grid } from '../grid';

/**
 * PyTorch's interpolation (align_corners off, unless `-aligned`), which transformers' interpolate_pos_encoding resizes position tables
 * with. Computed in f64 and rounded once; PyTorch's own f32 differs in the last bits. `nearest`: the row in whose part of the picture a
 * patch begins.
 */
export type GridFilter = 'bicubic' | 'bicubic-antialiased' | 'bilinear-aligned' | 'bilinear-antialiased' | 'nearest';

/**
 * Of many numbers in turns with other work.
 *
 * @param grid [from.rows, from.columns, C], row-major
 * @returns [to.rows, to.columns, C]
 */
export async function resizeGrid(grid: Float32Array, from: Grid, to: Grid, filter: GridFilter): Promise<Float32Array> {
  const width = grid.length / (from.rows * from.columns);
  const down = TAPS[filter](from.rows, to.rows);
  const across = TAPS[filter](from.columns, to.columns);
  const exact = new Float64Array(grid);
  const out = new Float32Array(to.rows * to.columns * width);
  const turns = new Turns();
  // First along the edge that leaves less in between: a single column of many rows takes no longer than a single row.
  if (to.rows * from.columns <= from.rows * to.columns) {
    const row = new Float64Array(from.columns * width);
    const cell = new Float64Array(width);
    for (const [y, rows] of down.entries()) {
      gather(row, exact, rows);
      for (const [x, columns] of across.entries()) {
        gather(cell, row, columns);
        out.set(cell, (y * to.columns + x) * width);
        await turns.after(width);
      }
    }
  } else {
    const between = new Float64Array(from.rows * to.columns * width);
    for (let y = 0; y < from.rows; y++) {
      const row = exact.subarray(y * from.columns * width, (y + 1) * from.columns * width);
      for (const [x, columns] of across.entries()) {
        const start = (y * to.columns + x) * width;
        gather(between.subarray(start, start + width), row, columns);
      }
    }
    const row = new Float64Array(to.columns * width);
    for (const [y, rows] of down.entries()) {
      gather(row, between, rows);
      out.set(row, y * row.length);
      await turns.after(row.length);
    }
  }
  return out;
}

/** What taps take of parts that are as long as their sum. */
function gather(sum: Float64Array, parts: Float64Array, taps: readonly Tap[]): void {
  sum.fill(0);
  for (const { at, weight } of taps) {
    const start = at * sum.length;
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * parts[start + i]!;
  }
}

/** A source position and what it counts. */
interface Tap {
  readonly at: number;
  readonly weight: number;
}

const TAPS: Readonly<Record<GridFilter, (from: number, to: number) => Tap[][]>> = {
  bicubic: bicubicTaps,
  'bicubic-antialiased': (from, to) => antialiasedTaps(from, to, { reach: 2, of: (distance) => cubic(distance, -0.5) }),
  'bilinear-aligned': alignedTaps,
  'bilinear-antialiased': (from, to) => antialiasedTaps(from, to, { reach: 1, of: triangle }),
  nearest: nearestTaps,
};

function nearestTaps(from: number, to: number): Tap[][] {
  return Array.from({ length: to }, (_, i) => [{ at: Math.floor((i * from) / to), weight: 1 }]);
}

/** Two neighbours, the first and last places being each other's; of a single one, the first. */
function alignedTaps(from: number, to: number): Tap[][] {
  return Array.from({ length: to }, (_, i) => {
    const place = to === 1 ? 0 : (i * (from - 1)) / (to - 1);
    const before = Math.floor(place);
    const part = place - before;
    if (part === 0) return [{ at: before, weight: 1 }];
    return [
      { at: before, weight: 1 - part },
      { at: before + 1, weight: part },
    ];
  });
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

interface Kernel {
  /** Where it ends, in source positions on either side. */
  readonly reach: number;
  readonly of: (distance: number) => number;
}

/** A kernel as wide as the reduction, cut off at the edges. */
function antialiasedTaps(from: number, to: number, kernel: Kernel): Tap[][] {
  const stretch = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = ((i + 0.5) * from) / to;
    const first = Math.max(Math.trunc(center - kernel.reach * stretch + 0.5), 0);
    const end = Math.min(Math.trunc(center + kernel.reach * stretch + 0.5), from);
    const weights = Array.from({ length: end - first }, (_, k) => kernel.of((first + k - center + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight, k) => ({ at: first + k, weight: weight / sum }));
  });
}

function triangle(distance: number): number {
  return Math.max(0, 1 - Math.abs(distance));
}

/** Keys' cubic convolution kernel with slope `a` at distance 1. */
function cubic(distance: number, a: number): number {
  const x = Math.abs(distance);
  if (x >= 2) return 0;
  return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : (((x - 5) * x + 8) * x - 4) * a;
}
