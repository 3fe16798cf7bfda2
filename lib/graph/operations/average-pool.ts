import type { Grid } from '../../grid';
import type { ComputeDType, Graph } from '../graph';
import { dim } from '../shape';
import type { Tensor } from '../tensor';
import { pixelShuffle } from './copy';

/**
 * The mean of each factor x factor neighbours in a grid of rows, as Gemma 3's projector pools its patches.
 *
 * @param x [B, rows * columns, C]
 * @param grid what rows of x are patches of
 * @param factor divides its rows and its columns
 * @param options dtype of the result; the compute dtype unless said otherwise
 * @returns [B, rows/factor * columns/factor, C]
 */
export function averagePool(
  g: Graph,
  x: Tensor,
  grid: Grid,
  factor: number,
  options: { dtype?: ComputeDType } = {},
): Tensor {
  // Side by side in a row, neighbours are also one below another in the rows of the same numbers.
  const squares = pixelShuffle(g, x, grid, factor);
  const rows = dim(`${factor ** 2}*N`, squares.rows.size * factor ** 2);
  const y = g.allocate(options.dtype ?? g.options.dtype, [x.batch, squares.rows, x.columns]);
  g.record('mean_rows', { x: squares.reshape([x.batch, rows, x.columns]), y }, {}, {});
  return y;
}
