import type { Graph } from '../graph';
import type { Parameter } from '../parameter';
import { dim } from '../shape';
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

/**
 * Rows of an embedding table: out[r] = table[index[r]].
 *
 * @param table [V, C]
 * @param index i32 [1, 1, K], an input of the plan; each in 0..V-1
 * @returns [1, K, C] in the stream's dtype
 */
export function embedRows(g: Graph, table: Parameter, index: Tensor): Tensor {
  const op = 'gather_rows';
  const one = { name: '1', size: 1 };
  g.expectDType(op, 'index', index, 'i32');
  g.expectShape(op, 'index', index, [one, one, index.columns]);
  const out = g.allocate(g.options.stream, [one, dim('K', index.columns.size), dim('C', table.shape[1] ?? 0)]);
  g.record(op, { index, out }, { table }, {});
  return out;
}
