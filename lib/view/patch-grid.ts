import { expected } from '../errors';

/** One value per patch of a picture, row by row. */
export interface PatchGrid {
  /** [rows, columns] */
  values: Float32Array;
  rows: number;
  columns: number;
}

export interface Range {
  low: number;
  high: number;
}

/** The patches of per-token values: class token and registers, which stand before them and have no place in the picture, are left out. */
export function patchGrid(tokens: ArrayLike<number>, rows: number, columns: number): PatchGrid {
  const patches = rows * columns;
  const before = tokens.length - patches;
  if (before < 0) {
    throw expected('ERR_SHAPE', `at least ${patches} values`, `a grid of ${rows} x ${columns} patches`, tokens.length);
  }
  return { values: Float32Array.from({ length: patches }, (_, i) => tokens[before + i] ?? 0), rows, columns };
}

/** The smallest and largest value of several grids: one scale for pictures that are compared with each other. */
export function commonRange(grids: readonly PatchGrid[]): Range {
  let [low, high] = [Infinity, -Infinity];
  for (const { values } of grids) {
    for (const value of values) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? { low, high } : { low: 0, high: 0 };
}

/** Two neighbouring patches and the weight of the second, for each of `length` pixels along one axis of `count` patches. */
function blendAlong(length: number, count: number): { first: number; second: number; weight: number }[] {
  return Array.from({ length }, (_, pixel) => {
    // A patch's value belongs to its centre; beyond the outermost centres it is held constant.
    const position = Math.min(Math.max(((pixel + 0.5) * count) / length - 0.5, 0), count - 1);
    const first = Math.floor(position);
    return { first, second: Math.min(first + 1, count - 1), weight: position - first };
  });
}

/** Bilinear enlargement to `width` x `height` pixels, row by row. */
export function upsample(grid: PatchGrid, width: number, height: number): Float32Array {
  const { values, rows, columns } = grid;
  const across = blendAlong(width, columns);
  const result = new Float32Array(width * height);
  blendAlong(height, rows).forEach((row, y) => {
    const at = (r: number, c: number): number => values[r * columns + c] ?? 0;
    across.forEach(({ first, second, weight }, x) => {
      const upper = at(row.first, first) * (1 - weight) + at(row.first, second) * weight;
      const lower = at(row.second, first) * (1 - weight) + at(row.second, second) * weight;
      result[y * width + x] = upper * (1 - row.weight) + lower * row.weight;
    });
  });
  return result;
}
