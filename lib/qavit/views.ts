/**
 * What goes through the tower of one picture: its tiles, row by row, and then the whole, which is all there is of a picture that was not
 * cut. Visual tokens are in this order too, as Idefics3 and InternVL have them.
 */
import type { Grid } from '../grid';
import type { Picture } from './types';

/** The pixels of a tile or of the whole, RGB. */
export interface View {
  readonly data: Uint8Array;
}

export function viewCount(grid: Grid | undefined): number {
  return grid ? grid.rows * grid.columns + 1 : 1;
}

export function viewsOf(picture: Picture): View[] {
  return [...tilesOf(picture), picture];
}

export function tilesOf({ data, tiles }: Picture): View[] {
  if (!tiles) return [];
  const { length } = data;
  return Array.from({ length: viewCount(tiles) - 1 }, (_, i) => ({
    data: tiles.data.subarray(i * length, (i + 1) * length),
  }));
}
