import { expectedButFound } from '../../errors';
import type { Grid } from '../../grid';
import type { Rows } from './answer-model';

/** Places of rows, and that of whatever follows them. */
export interface Placed {
  readonly places: readonly number[];
  readonly next: number;
}

/** One behind the other. */
export function placesInTurn(first: number, count: number): Placed {
  return { places: Array.from({ length: count }, (_, i) => first + i), next: first + count };
}

/**
 * Three places of each row, as Qwen2-VL counts (M-RoPE; Wang et al. 2024, arXiv 2409.12191, section 2.1): in time, down and across. Words
 * follow each other in all three; a picture is of one time, its rows are in lines and columns, and what follows begins behind the farthest.
 *
 * @returns [3, count]
 */
export function placesInGrid(
  first: number,
  count: number,
  { starts, length, grid = { rows: 1, columns: length } }: NonNullable<Rows['visual']> = { starts: [], length: 0 },
): Placed {
  const places = new Array<number>(3 * count);
  let next = first;
  for (let row = 0; row < count;) {
    if (!starts.includes(row)) {
      places[row] = places[count + row] = places[2 * count + row] = next++;
      row++;
      continue;
    }
    for (let i = 0; i < length; i++, row++) {
      places[row] = next;
      places[count + row] = next + Math.floor(i / grid.columns);
      places[2 * count + row] = next + (i % grid.columns);
    }
    next += Math.max(grid.rows, grid.columns);
  }
  return { places, next };
}

/**
 * The grid that `count` visual tokens are in.
 *
 * @param patches of the picture
 * @param side of the squares of patches that became one token each
 * @param model for messages
 * @throws QAViTError ERR_ARGUMENT where nobody says what they are of, ERR_SHAPE where they are of something else
 */
export function squaresOf(patches: Grid | undefined, side: number, count: number, model: string): Grid {
  const where = `the visual tokens for ${model}`;
  if (!patches) throw expectedButFound('ERR_ARGUMENT', "the grid of the picture's patches", where, 'none');
  const grid = { rows: patches.rows / side, columns: patches.columns / side };
  const isWhole = Number.isInteger(grid.rows) && Number.isInteger(grid.columns);
  if (isWhole && grid.rows * grid.columns === count) return grid;
  const what = `one for each ${side} x ${side} patches`;
  throw expectedButFound('ERR_SHAPE', what, where, `${count} for ${patches.rows} x ${patches.columns} patches`);
}
