import type { ActivationName } from '../binding/native';
import { type Affine, copy, type Graph, layerNorm, linear, type Norm, pixelShuffle, type Tensor } from '../graph';

/** From the tower's width to the language model's: one linear map, or two with an activation between them. */
export interface Projector {
  /** Comes first, where the tower's last norm does. */
  readonly norm?: Norm;
  /** Neighbouring patches of a square of this side become one row, side by side. Unless given each is a row of its own. */
  readonly pixelShuffle?: number;
  readonly layers: readonly Affine[];
  readonly activation: ActivationName;
}

/**
 * @param x [B, N, C], or [B, N * pixelShuffle^2, C]
 * @returns f32 [B, N, E]
 */
export function project(g: Graph, x: Tensor, projector: Projector): Tensor {
  const { layers, activation } = projector;
  return layers.reduce(
    (hidden, layer, i) => {
      const last = i === layers.length - 1;
      const scope = g.scope('layers').scope(i);
      return linear(scope, hidden, layer, last ? { dtype: 'f32', as: 'E' } : { activation, as: 'E' });
    },
    inputOf(g, x, projector),
  );
}

/** Rows of the first map, in the compute dtype. */
function inputOf(g: Graph, x: Tensor, { norm, pixelShuffle: factor }: Projector): Tensor {
  const normed = norm ? layerNorm(g.scope('norm'), x, norm) : x;
  const rows = normed.dtype === g.options.dtype ? normed : copy(g.scope('input'), normed);
  return factor === undefined ? rows : pixelShuffle(g.scope('pixel_shuffle'), rows, factor);
}
