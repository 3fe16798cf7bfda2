import type { ActivationName } from '../binding/native';
import { type Affine, copy, type Graph, linear, type Tensor } from '../graph';

/** From the tower's width to the language model's: one linear map, or two with an activation between them. */
export interface Projector {
  readonly layers: readonly Affine[];
  readonly activation: ActivationName;
}

/**
 * @param x [B, N, C]
 * @returns f32 [B, N, E]
 */
export function project(g: Graph, x: Tensor, { layers, activation }: Projector): Tensor {
  const input = x.dtype === g.options.dtype ? x : copy(g.scope('input'), x);
  return layers.reduce((hidden, layer, i) => {
    const last = i === layers.length - 1;
    const scope = g.scope('layers').scope(i);
    return linear(scope, hidden, layer, last ? { dtype: 'f32', as: 'E' } : { activation, as: 'E' });
  }, input);
}
