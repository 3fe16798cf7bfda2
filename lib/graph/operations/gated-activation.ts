import type { ActivationName } from '../../binding/native';
import type { Graph } from '../graph';
import { dim, formatShape } from '../shape';
import type { Tensor } from '../tensor';

/**
 * activation(a) * b over the two halves of a row: what stands between the projections of a gated MLP (Shazeer 2020, arXiv 2002.05202).
 *
 * @param x [B, rows, 2F] in the compute dtype
 * @returns [B, rows, F] in the compute dtype
 */
export function gatedActivation(g: Graph, x: Tensor, activation: ActivationName): Tensor {
  const op = 'gated_activation';
  g.expectDType(op, 'x', x, g.options.dtype);
  if (x.columns.size % 2 !== 0) throw g.wrongArgument(op, 'x of 2F columns', `x ${formatShape(x.shape)}`);
  const y = g.allocate(g.options.dtype, [x.batch, x.rows, dim('F', x.columns.size / 2)]);
  g.record(op, { x, y }, {}, { activation });
  return y;
}
