import type { ComputeDType, Graph } from '../graph';
import type { Parameter } from '../parameter';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

/** Gain of a norm that does not centre. */
export interface RmsNorm {
  readonly gamma?: Parameter;
  readonly eps: number;
}

/**
 * x / sqrt(mean(x^2) + eps) * gamma over the columns (Zhang and Sennrich 2019, arXiv 1910.07467).
 *
 * @param x [B, rows, C]
 * @param norm gamma [C]
 * @param options dtype of the result; the compute dtype unless said otherwise, because what follows is a matrix
 */
export function rmsNorm(g: Graph, x: Tensor, { gamma, eps }: RmsNorm, options: { dtype?: ComputeDType } = {}): Tensor {
  const op = 'rms_norm';
  g.expectDType(op, 'x', x, ...FLOATS);
  g.expectParameter(op, 'gamma', gamma, [x.columns]);
  if (!(eps > 0) || !Number.isFinite(eps)) throw g.wrongArgument(op, 'eps > 0', String(eps));
  const y = g.allocate(options.dtype ?? g.options.dtype, x.shape);
  g.record(op, { x, y }, { gamma }, { eps });
  return y;
}
