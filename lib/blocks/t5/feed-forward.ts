import type { ActivationName } from '../../binding/native';
import { type Affine, gatedActivation, type Graph, linear, rmsNorm, type RmsNorm, type Tensor } from '../../graph';

/** T5's MLP: plain (v1.0), or gated (v1.1, flan). Without biases, as everything in T5. */
export interface FeedForward {
  readonly norm: RmsNorm;
  /** [F, E]; gated [2F, E]: the gate's map, then the value's. */
  readonly input: Affine;
  /** [E, F] */
  readonly output: Affine;
  readonly activation: ActivationName;
  readonly gated: boolean;
}

/**
 * x + W_o act(W_i norm(x)),  or gated  x + W_o (act(W_0 norm(x)) * W_1 norm(x)).
 *
 * @param x [B, M, E] residual stream
 * @returns [B, M, E]
 */
export function feedForward(g: Graph, x: Tensor, { norm, input, output, activation, gated }: FeedForward): Tensor {
  const normed = rmsNorm(g.scope('layer_norm'), x, norm);
  const wide = linear(g.scope('wi'), normed, input, {
    activation: gated ? 'none' : activation,
    as: gated ? '2F' : 'F',
  });
  const hidden = gated ? gatedActivation(g.scope('gate'), wide, activation) : wide;
  return linear(g.scope('wo'), hidden, output, { residual: x });
}
