import type { ActivationName } from '../binding/native';
import { type Affine, copy, type Graph, layerNorm, linear, type Norm, pixelShuffle, type Tensor } from '../graph';

/** From the tower's width to the language model's: one linear map, or two with an activation between them. */
export interface Projector {
  /** The tower's last norm, which comes first in some models. */
  readonly towerNorm?: Norm;
  /** Neighbouring patches of a square of this side become one row, side by side. Unless given each is a row of its own. */
  readonly pixelShuffle?: number;
  /** Of the rows that are projected. */
  readonly norm?: Norm;
  readonly layers: readonly Affine[];
  readonly activation: ActivationName;
  /** Where the rows are laid out in lines afterwards, on the host. */
  readonly lines?: Lines;
}

/** Of LLaVA-NeXT: projected rows of tiles in the lines of their picture, and those of the whole as one line. */
export interface Lines {
  /** Ends a line; f32 [E]. */
  readonly newline: Float32Array;
  /** A picture that fills more tiles by a tenth of an edge is scaled down to as many rows as these have. */
  readonly mostTiles?: number;
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
function inputOf(g: Graph, x: Tensor, { towerNorm, pixelShuffle: factor, norm }: Projector): Tensor {
  const seen = towerNorm ? layerNorm(g.scope('tower_norm'), x, towerNorm) : x;
  // A norm takes the stream as it is, and makes the compute dtype of it.
  const input = norm || seen.dtype === g.options.dtype ? seen : copy(g.scope('input'), seen);
  const rows = factor === undefined ? input : pixelShuffle(g.scope('pixel_shuffle'), input, factor);
  return norm ? layerNorm(g.scope('norm'), rows, norm) : rows;
}
