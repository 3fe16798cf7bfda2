import type { EncoderLayer } from '../blocks/encoder-layer';
import type { Graph, Tensor } from '../graph';
import type { Matrix } from '../weights';

/** The numbers of a linear map, for folds. */
export interface AffineNumbers {
  readonly weight: Matrix;
  readonly bias: Float32Array;
}

/** A layer of a tower, and the frozen parameters that fusing combines with an adapter's. */
export interface TowerLayer extends EncoderLayer {
  readonly frozen: {
    /** [W_k; W_v], [2C, C], and its bias. */
    readKeyValue(): AffineNumbers;
    /** P, [C, C]. */
    readOutput(): AffineNumbers;
  };
}

/**
 * A pre-LN vision tower, described: what its layers are and how pixels become tokens. fuse() takes any tower of this form; adding an
 * architecture means describing it.
 */
export interface Tower {
  /** C */
  readonly width: number;
  /** H */
  readonly heads: number;
  /** Side of the square pictures it takes, pixels. */
  readonly image: number;
  /** P, side of a patch, pixels. */
  readonly patch: number;
  /** M, the class token included. */
  readonly tokens: number;
  readonly hasClass: boolean;
  /** All layers, lowest first. */
  readonly layers: readonly TowerLayer[];
  /** Pixels u8 [B, image, image*3] -> the residual stream before layer 0, [B, M, C]. */
  embed(g: Graph, pixels: Tensor): Tensor;
}
