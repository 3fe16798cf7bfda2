import type { RgbPicture } from './overlay';

/** Some of a picture's patches. */
export interface PatchSet {
  /** Numbers of patches, row by row. */
  readonly patches: readonly number[];
  readonly rows: number;
  readonly columns: number;
}

/** Pixels of the line, and of the dark one inside of it that sets it off from light places. */
const WIDTH = 4;
const DARK = 1;
const LINE = 255;
const SHADE = 20;

/** A line around patches, drawn inside of them; none between two that touch. */
export function outline(picture: RgbPicture, { patches, rows, columns }: PatchSet): RgbPicture {
  const { width, height } = picture;
  const marked = new Set(patches);
  const isMarked = (row: number, column: number): boolean =>
    row >= 0 && row < rows && column >= 0 && column < columns && marked.has(row * columns + column);
  const data = picture.data.slice();
  const patchAt = (pixel: number, count: number, length: number): number => Math.floor((pixel * count) / length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!isMarked(patchAt(y, rows, height), patchAt(x, columns, width))) continue;
      const depth = depthAt(x, y);
      if (depth < WIDTH) data.fill(depth < WIDTH - DARK ? LINE : SHADE, (y * width + x) * 3, (y * width + x) * 3 + 3);
    }
  }
  return { data, width, height };

  /** Pixels to the next one that is in no marked patch, WIDTH at most. */
  function depthAt(x: number, y: number): number {
    for (let depth = 1; depth <= WIDTH; depth++) {
      for (const [dx, dy] of [
        [depth, 0],
        [-depth, 0],
        [0, depth],
        [0, -depth],
        [depth, depth],
        [depth, -depth],
        [-depth, depth],
        [-depth, -depth],
      ] as const) {
        if (!isMarked(patchAt(y + dy, rows, height), patchAt(x + dx, columns, width))) return depth - 1;
      }
    }
    return WIDTH;
  }
}
