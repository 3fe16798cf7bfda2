import type { ActivationName } from '../../binding/native';
import type { ComputeDType, Graph } from '../graph';
import type { Affine } from '../parameter';
import { dim, formatShape, type Shape } from '../shape';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

export interface LinearOptions {
  /** 'none' unless given. */
  activation?: ActivationName;
  /** Factor of the branch: y = residual + alpha * activation(x W^T + b). 1 unless given. */
  alpha?: number;
  /** [B, rows, N] */
  residual?: Tensor;
  /** Dtype of the result; unless given, the residual's, else the compute dtype. */
  dtype?: ComputeDType;
  /** Name of the result's columns, for messages. */
  as?: string;
}

/**
 * residual + alpha * activation(x W^T + bias).
 *
 * @param x [B, rows, C] in the compute dtype
 * @param parameters weight [N, C], or [groups, N, C] for a block-diagonal map of x [B, rows, groups*C]; bias [groups*N]
 * @returns [B, rows, groups*N]
 */
export function linear(g: Graph, x: Tensor, { weight, bias }: Affine, options: LinearOptions = {}): Tensor {
  const op = 'linear';
  const { activation = 'none', alpha = 1, residual, as = 'N' } = options;
  g.expectDType(op, 'x', x, g.options.dtype);
  const [groups, outputs, inputs] = weightShape(g, x, weight.shape);
  const columns = residual ? residual.columns : dim(as, groups * outputs);
  if (inputs * groups !== x.columns.size) {
    const wanted = [dim('N', outputs), dim(x.columns.name, x.columns.size / groups)];
    const grouped = groups > 1 ? [dim('groups', groups), ...wanted] : wanted;
    throw g.wrongShape(op, 'weight', grouped, formatShape(weight.shape));
  }
  g.expectParameter(op, 'bias', bias, [dim(columns.name, groups * outputs)]);
  if (!Number.isFinite(alpha)) throw g.wrongArgument(op, 'a finite alpha', String(alpha));
  const shape: Shape = [x.batch, x.rows, { name: columns.name, size: groups * outputs }];
  if (residual) {
    g.expectDType(op, 'residual', residual, ...FLOATS);
    g.expectShape(op, 'residual', residual, shape);
  }
  const y = g.allocate(options.dtype ?? residual?.dtype ?? g.options.dtype, shape);
  g.record(op, { x, residual, y }, { weight, bias }, { activation, alpha });
  return y;
}

/** [groups, out, in]; groups must divide x before anything else can be compared. */
function weightShape(g: Graph, x: Tensor, shape: readonly number[]): [number, number, number] {
  const [inputs = 0, outputs = 0, groups = 1] = [...shape].reverse();
  const legible =
    (shape.length === 2 || shape.length === 3) && shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (legible && x.columns.size % groups === 0) return [groups, outputs, inputs];
  throw g.wrongShape('linear', 'weight', [dim('N', Math.max(1, outputs)), x.columns], formatShape(shape));
}
