import type { ActivationName } from '../binding/native';
import {
  type Affine,
  averagePool,
  copy,
  type Graph,
  layerNorm,
  linear,
  type Norm,
  pixelShuffle,
  type RmsNorm,
  rmsNorm,
  type Tensor,
} from '../graph';
import type { Grid } from '../grid';

/** From the tower's width to the language model's: one linear map, or two with an activation between them. */
export interface Projector {
  /** Of each patch, before all else: the tower's last norm, or one of the projector's own. */
  readonly towerNorm?: Norm;
  /** Neighbouring patches that are projected as one. Unless given each is projected by itself. */
  readonly squares?: Squares;
  /** Of the rows that are projected. */
  readonly norm?: Norm;
  /** The same, not centred. */
  readonly rmsNorm?: RmsNorm;
  readonly layers: readonly Affine[];
  readonly activation: ActivationName;
  /** Where the rows are laid out in lines afterwards, on the host. */
  readonly lines?: Lines;
}

/** What becomes of the patches of a square of this side: one row, side by side (pixel shuffle), or their mean. */
export interface Squares {
  readonly side: number;
  readonly as: 'one row' | 'mean';
}

/** Of LLaVA-NeXT: projected rows of tiles in the lines of their picture, and those of the whole as one line. */
export interface Lines {
  /** Ends a line; f32 [E]. */
  readonly newline: Float32Array;
  /** A picture that fills more tiles by a tenth of an edge is scaled down to as many rows as these have. */
  readonly mostTiles?: number;
}

/**
 * @param x [B, N, C], or [B, N * squares.side^2, C]
 * @param grid of patches, where squares of them are projected as one
 * @returns f32 [B, N, E]
 */
export function project(g: Graph, x: Tensor, projector: Projector, grid: Grid): Tensor {
  const { layers, activation } = projector;
  return layers.reduce(
    (hidden, layer, i) => {
      const last = i === layers.length - 1;
      const scope = g.scope('layers').scope(i);
      return linear(scope, hidden, layer, last ? { dtype: 'f32', as: 'E' } : { activation, as: 'E' });
    },
    inputOf(g, x, projector, grid),
  );
}

/** Rows of the first map, in the compute dtype. */
function inputOf(g: Graph, x: Tensor, { towerNorm, squares, norm, rmsNorm: unCentred }: Projector, grid: Grid): Tensor {
  const seen = towerNorm ? layerNorm(g.scope('tower_norm'), x, towerNorm) : x;
  // A norm or a mean takes the stream as it is, and makes the compute dtype of it.
  const isTaken = norm !== undefined || squares?.as === 'mean' || seen.dtype === g.options.dtype;
  const rows = merged(g, isTaken ? seen : copy(g.scope('input'), seen), squares, grid);
  if (unCentred) return rmsNorm(g.scope('norm'), rows, unCentred);
  return norm ? layerNorm(g.scope('norm'), rows, norm) : rows;
}

function merged(g: Graph, x: Tensor, squares: Squares | undefined, grid: Grid): Tensor {
  if (!squares) return x;
  const { side, as } = squares;
  return as === 'mean'
    ? averagePool(g.scope('average_pool'), x, grid, side)
    : pixelShuffle(g.scope('pixel_shuffle'), x, grid, side);
}
