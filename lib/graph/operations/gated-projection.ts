import type { Graph } from '../graph';
import type { Affine } from '../parameter';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

/** P and P_g with their gate, or the one projection that both fold into. */
export interface GatedAffine extends Affine {
  /** Absent: folded into weight and bias. */
  readonly gate?: Affine & { /** tanh(beta) */ readonly value: number };
}

/**
 * residual + P(x) + gate * P_g(x). QA-ViT (arXiv 2402.05472), section 3.2.
 *
 * @param x [B, rows, C] in the compute dtype
 * @param parameters P, or the fold: weight [C, C], bias [C]; unfolded also P_g and its gate
 * @param options residual [B, rows, C]
 * @returns [B, rows, C] in the stream's dtype
 */
export function gatedProjection(
  g: Graph,
  x: Tensor,
  { weight, bias, gate }: GatedAffine,
  { residual }: { residual?: Tensor } = {},
): Tensor {
  const op = 'gated_projection';
  const square = [x.columns, x.columns];
  g.expectDType(op, 'x', x, g.options.dtype);
  g.expectParameter(op, 'weight', weight, square);
  g.expectParameter(op, 'bias', bias, [x.columns]);
  g.expectParameter(op, 'gate_weight', gate?.weight, square);
  g.expectParameter(op, 'gate_bias', gate?.bias, [x.columns]);
  if (gate && !Number.isFinite(gate.value)) throw g.wrongArgument(op, 'a finite gate', String(gate.value));
  if (residual) {
    g.expectDType(op, 'residual', residual, ...FLOATS);
    g.expectShape(op, 'residual', residual, x.shape);
  }
  const y = g.allocate(g.options.stream, x.shape);
  const parameters = { weight, bias, gate_weight: gate?.weight, gate_bias: gate?.bias };
  g.record(op, { x, residual, y }, parameters, { gate: gate?.value ?? 0 });
  return y;
}
