import type { Lines } from '../blocks/projector';
import type { Size } from '../image/geometry';
import type { TileGrid } from '../image';
import { joinRows } from './join-rows';

/** Rows of numbers, [rows * columns, width], with a place each. */
interface Plane {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
  readonly width: number;
}

/**
 * Lays projected rows out as LLaVA-NeXT reads them: those of the whole, then those of the tiles in the lines of the picture that they make
 * up, without its borders, each line with a newline behind it. The whole alone is one line.
 *
 * @param views of the tiles, row by row, and of the whole, [S * S, E] each
 * @param grid absent: there is the whole alone
 * @returns f32 [N, E]
 */
export function inLines(views: readonly Float32Array[], grid: TileGrid | undefined, lines: Lines): Float32Array {
  const { newline } = lines;
  const whole = views.at(-1) ?? new Float32Array();
  if (!grid) return joinRows([whole, newline]);
  const side = Math.sqrt(whole.length / newline.length);
  const tiled = withoutBorders(besideEachOther(views.slice(0, -1), grid, side, newline.length), grid.picture);
  return joinRows([whole, withNewlines(reduced(tiled, side, lines), newline)]);
}

/** The rows of the tiles in the lines of the picture. */
function besideEachOther(
  tiles: readonly Float32Array[],
  { rows, columns }: TileGrid,
  side: number,
  width: number,
): Plane {
  const data = new Float32Array(rows * columns * side * side * width);
  const length = side * width;
  tiles.forEach((tile, i) => {
    const first = Math.floor(i / columns) * side * columns * length + (i % columns) * length;
    for (let y = 0; y < side; y++) {
      data.set(tile.subarray(y * length, (y + 1) * length), first + y * columns * length);
    }
  });
  return { data, rows: rows * side, columns: columns * side, width };
}

/** Without the rows of which the picture, in the middle, has nothing; transformers rounds so. */
function withoutBorders(plane: Plane, picture: Size | undefined): Plane {
  if (!picture) return plane;
  const { rows, columns } = plane;
  if (picture.width / picture.height > columns / rows) {
    const kept = truncated(picture.height * (columns / picture.width));
    return cut(plane, Math.floor((rows - kept) / 2), 0);
  }
  const kept = truncated(picture.width * (rows / picture.height));
  return cut(plane, 0, Math.floor((columns - kept) / 2));
}

/** Python's int(round(x, 7)). */
function truncated(value: number): number {
  return Math.trunc(Number(value.toFixed(7)));
}

function cut({ data, rows, columns, width }: Plane, above: number, left: number): Plane {
  const kept = { rows: rows - 2 * above, columns: columns - 2 * left };
  const lines = Array.from({ length: kept.rows }, (_, y) => {
    const first = ((above + y) * columns + left) * width;
    return data.subarray(first, first + kept.columns * width);
  });
  return { data: joinRows(lines), ...kept, width };
}

/** Bilinear, between the four nearest rows, as torch's interpolate without antialiasing. */
function reduced(plane: Plane, side: number, { mostTiles }: Lines): Plane {
  const { rows, columns } = plane;
  const ratio = mostTiles === undefined ? 1 : Math.sqrt((rows * columns) / (mostTiles * side * side));
  if (ratio <= 1.1) return plane;
  return resized(plane, floorDivided(rows, ratio), floorDivided(columns, ratio));
}

/** Python's //: the quotient itself rounded down, which for 135 and 5 / 3 is 80; that of floating point is 81. */
function floorDivided(value: number, by: number): number {
  return Math.round((value - (value % by)) / by);
}

function resized({ data, rows, columns, width }: Plane, toRows: number, toColumns: number): Plane {
  const made = new Float32Array(toRows * toColumns * width);
  const [down, across] = [neighbours(rows, toRows), neighbours(columns, toColumns)];
  down.forEach((y, i) => {
    across.forEach((x, j) => {
      const [a, b] = [(y.first * columns + x.first) * width, (y.first * columns + x.second) * width];
      const [c, d] = [(y.second * columns + x.first) * width, (y.second * columns + x.second) * width];
      const to = (i * toColumns + j) * width;
      for (let k = 0; k < width; k++) {
        const above = (1 - x.share) * data[a + k]! + x.share * data[b + k]!;
        const below = (1 - x.share) * data[c + k]! + x.share * data[d + k]!;
        made[to + k] = (1 - y.share) * above + y.share * below;
      }
    });
  });
  return { data: made, rows: toRows, columns: toColumns, width };
}

/** Of each new place the two old ones around it, and what share the second has. */
function neighbours(from: number, to: number): { first: number; second: number; share: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const first = Math.floor(at);
    return { first, second: Math.min(first + 1, from - 1), share: at - first };
  });
}

function withNewlines({ data, rows, columns, width }: Plane, newline: Float32Array): Float32Array {
  const length = columns * width;
  const lines = Array.from({ length: rows }, (_, y) => [data.subarray(y * length, (y + 1) * length), newline]);
  return joinRows(lines.flat());
}
