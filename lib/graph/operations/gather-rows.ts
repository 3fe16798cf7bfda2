import type { Graph } from '../graph';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

/**
 * Samples of a batch, repeated and reordered: out[b] = source[index[b]].
 *
 * @param source [U, rows, C]
 * @param index i32 [1, 1, B], an input of the plan; each in 0..U-1
 * @returns [B, rows, C], the dtype of `source`
 */
export function gatherRows(g: Graph, source: Tensor, index: Tensor): Tensor {
  const op = 'gather_rows';
  const one = { name: '1', size: 1 };
  g.expectDType(op, 'source', source, ...FLOATS);
  g.expectDType(op, 'index', index, 'i32');
  g.expectShape(op, 'index', index, [one, one, index.columns]);
  const out = g.allocate(source.dtype, [{ name: 'B', size: index.columns.size }, source.rows, source.columns]);
  g.record(op, { source, index, out }, {}, {});
  return out;
}
