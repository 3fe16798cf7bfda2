import type { Grid } from '../../grid';
import { shareOf } from '../prompt';
import type { Rows } from './answer-model';

/**
 * The rows of a prompt: of its texts, and between two of them an equal share of the visual tokens.
 *
 * @param texts one more than there are places for visual tokens
 * @param visual and the grid that the tokens of each place are in, where that matters
 * @throws QAViTError ERR_SHAPE where they cannot be shared out
 */
export function promptRows(texts: readonly Rows[], visual: Rows & { grid?: Grid }, width: number): Rows {
  const share = shareOf(texts.length - 1, visual.count) * width;
  const count = texts.reduce((sum, text) => sum + text.count, visual.count);
  const data = new Float32Array(count * width);
  const starts: number[] = [];
  let offset = 0;
  const add = (rows: Float32Array): void => {
    data.set(rows, offset);
    offset += rows.length;
  };
  texts.forEach((text, i) => {
    if (i > 0) {
      starts.push(offset / width);
      add(visual.data.subarray((i - 1) * share, i * share));
    }
    add(text.data);
  });
  return { data, count, visual: { starts, length: share / width, grid: visual.grid } };
}
