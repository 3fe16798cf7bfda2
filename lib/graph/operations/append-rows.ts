import type { Graph } from '../graph';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

/**
 * Writes rows into a state, behind those it holds: cache[b, position[b] + r] = x[b, r]. What is read of the cache afterwards has them.
 *
 * @param cache a state [B, N, C], or all of its rows and some of its columns
 * @param x [B, rows, C]
 * @param position i32 [1, 1, B], each 0..N - rows; an input of the plan
 */
export function appendRows(g: Graph, cache: Tensor, x: Tensor, position: Tensor): void {
  const op = 'append_rows';
  const one = { name: '1', size: 1 };
  g.expectDType(op, 'x', x, ...FLOATS);
  g.expectDType(op, 'cache', cache, ...FLOATS);
  g.expectDType(op, 'position', position, 'i32');
  g.expectShape(op, 'position', position, [one, one, x.batch]);
  g.expectShape(op, 'cache', cache, [x.batch, cache.rows, x.columns]);
  if (cache.rows.size < x.rows.size) throw g.wrongArgument(op, 'a cache that the rows fit in', String(cache.rows.size));
  g.record(op, { x, position, cache }, {}, {});
}
