import type { Lines } from '../blocks/projector';
import { Turns } from '../calls/turns';
import type { TileGrid } from '../image';
import type { Size } from '../image/geometry';
import { joinRows } from './join-rows';

/** The projected rows of tiles in their places in the picture; each row is read where it lies, since there may be 100 MB of them. */
interface Tiled {
  /** [S * S, E] each, row by row. */
  readonly tiles: readonly Float32Array[];
  /** Of tiles. */
  readonly columns: number;
  /** S */
  readonly side: number;
  /** E */
  readonly width: number;
}

/** A part of the picture; its sides are in projected rows, as many as there are patches. */
interface Part {
  readonly top: number;
  readonly left: number;
  readonly rows: number;
  readonly columns: number;
}

/** What a place between two others takes of them. */
interface Between {
  readonly first: number;
  readonly second: number;
  /** Of the second; the rest is the first's. */
  readonly share: number;
}

/**
 * Lays projected rows out as LLaVA-NeXT reads them: those of the whole, then those of the tiles in the lines of the picture that they make
 * up, without its borders, each line with a newline behind it. The whole alone is one line.
 *
 * @param views of the tiles, row by row, and of the whole, [S * S, E] each
 * @param grid absent: there is the whole alone
 * @returns f32 [N, E]
 */
export async function inLines(
  views: readonly Float32Array[],
  grid: TileGrid | undefined,
  lines: Lines,
): Promise<Float32Array> {
  const { newline } = lines;
  const whole = views.at(-1) ?? new Float32Array();
  if (!grid) return joinRows([whole, newline]);
  const width = newline.length;
  const side = Math.sqrt(whole.length / width);
  const tiled = { tiles: views, columns: grid.columns, side, width };
  const part = withoutBorders({ top: 0, left: 0, rows: grid.rows * side, columns: grid.columns * side }, grid.picture);
  const { rows, columns } = reduced(part, side, lines);
  const made = new Float32Array(whole.length + rows * (columns + 1) * width);
  made.set(whole);
  const line =
    rows === part.rows && columns === part.columns ? copying(tiled, part) : blending(tiled, part, rows, columns);
  const turns = new Turns();
  for (let y = 0; y < rows; y++) {
    const start = whole.length + y * (columns + 1) * width;
    line(y, made, start);
    made.set(newline, start + columns * width);
    await turns.after(columns * width);
  }
  return made;
}

/** Without the rows of which the picture, in the middle, has nothing; transformers rounds so. */
function withoutBorders(part: Part, picture: Size | undefined): Part {
  if (!picture) return part;
  const { rows, columns } = part;
  if (picture.width / picture.height > columns / rows) {
    const above = Math.floor((rows - truncated(picture.height * (columns / picture.width))) / 2);
    return { ...part, top: above, rows: rows - 2 * above };
  }
  const left = Math.floor((columns - truncated(picture.width * (rows / picture.height))) / 2);
  return { ...part, left, columns: columns - 2 * left };
}

/** Python's int(round(x, 7)). */
function truncated(value: number): number {
  return Math.trunc(Number(value.toFixed(7)));
}

/** How many lines and columns of a picture are kept: of a line of patches one, where transformers fails. */
function reduced({ rows, columns }: Part, side: number, { mostTiles }: Lines): { rows: number; columns: number } {
  const ratio = mostTiles === undefined ? 1 : Math.sqrt((rows * columns) / (mostTiles * side * side));
  if (ratio <= 1.1) return { rows, columns };
  return { rows: Math.max(1, floorDivided(rows, ratio)), columns: Math.max(1, floorDivided(columns, ratio)) };
}

/** Python's //: the quotient itself rounded down, which for 135 and 5 / 3 is 80; that of floating point is 81. */
function floorDivided(value: number, by: number): number {
  return Math.round((value - (value % by)) / by);
}

type WriteLine = (y: number, made: Float32Array, start: number) => void;

/** A line as it is: a piece of each tile that it runs through. */
function copying(tiled: Tiled, { top, left, columns }: Part): WriteLine {
  const { tiles, side, width } = tiled;
  return (y, made, start) => {
    for (let x = 0; x < columns;) {
      const count = Math.min(columns - x, side - ((left + x) % side));
      const { tile, at } = placeOf(tiled, top + y, left + x);
      made.set(tiles[tile]!.subarray(at, at + count * width), start + x * width);
      x += count;
    }
  };
}

/** A line of fewer, longer steps: bilinear between the four nearest rows, as torch's interpolate without antialiasing. */
function blending(tiled: Tiled, { top, left, ...from }: Part, rows: number, columns: number): WriteLine {
  const { tiles, width } = tiled;
  const [down, across] = [between(from.rows, rows), between(from.columns, columns)];
  const rowAt = (y: number, x: number): Float32Array => {
    const { tile, at } = placeOf(tiled, top + y, left + x);
    return tiles[tile]!.subarray(at, at + width);
  };
  return (i, made, start) => {
    const y = down[i]!;
    across.forEach((x, j) => {
      const [a, b] = [rowAt(y.first, x.first), rowAt(y.first, x.second)];
      const [c, d] = [rowAt(y.second, x.first), rowAt(y.second, x.second)];
      const to = start + j * width;
      for (let k = 0; k < width; k++) {
        const above = (1 - x.share) * a[k]! + x.share * b[k]!;
        const below = (1 - x.share) * c[k]! + x.share * d[k]!;
        made[to + k] = (1 - y.share) * above + y.share * below;
      }
    });
  };
}

/** Of each of `to` places the two of `from` around it. */
function between(from: number, to: number): Between[] {
  return Array.from({ length: to }, (_, i) => {
    const at = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const first = Math.floor(at);
    return { first, second: Math.min(first + 1, from - 1), share: at - first };
  });
}

/** In which tile a row lies, and where its numbers begin there. */
function placeOf({ columns, side, width }: Tiled, y: number, x: number): { tile: number; at: number } {
  const tile = Math.floor(y / side) * columns + Math.floor(x / side);
  return { tile, at: ((y % side) * side + (x % side)) * width };
}
