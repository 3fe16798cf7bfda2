import type { ComputeDType, Graph } from '../graph';
import type { Norm } from '../parameter';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

/**
 * (x - mean) / sqrt(variance + eps) * gamma + beta over the columns.
 *
 * @param x [B, rows, C]
 * @param norm gamma and beta [C], each may be absent
 * @param options dtype of the result; the compute dtype unless said otherwise, because what follows is a matrix
 */
export function layerNorm(
  g: Graph,
  x: Tensor,
  { gamma, beta, eps }: Norm,
  options: { dtype?: ComputeDType } = {},
): Tensor {
  const op = 'layer_norm';
  g.expectDType(op, 'x', x, ...FLOATS);
  g.expectParameter(op, 'gamma', gamma, [x.columns]);
  g.expectParameter(op, 'beta', beta, [x.columns]);
  if (!(eps > 0) || !Number.isFinite(eps)) throw g.wrongArgument(op, 'eps > 0', String(eps));
  const y = g.allocate(options.dtype ?? g.options.dtype, x.shape);
  g.record(op, { x, y }, { gamma, beta }, { eps });
  return y;
}
