import type { EncoderLayer } from '../blocks/encoder-layer';
import type { Graph, Parameter, Tensor } from '../graph';
import type { Grid } from '../grid';
import type { Size } from '../image/geometry';
import type { Matrix } from '../weights';

/** Of a picture's edge: squares of 4096 pixels in patches of 14 are 85,000 tokens, beyond any use of a tower. */
export const MAX_IMAGE_SIZE = 4096;

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
    /** LayerScale of the attention branch, [C]: what multiplies P, and with it whatever is added to P. Absent without one. */
    readOutputScale?: () => Float32Array;
  };
}

/** How pictures of one size enter a tower: all of it that depends on the size. */
export interface TowerInput {
  /** Of the pictures, pixels. */
  readonly image: Size;
  /** Of their patches. */
  readonly grid: Grid;
  /** M, class token and registers included. */
  readonly tokens: number;
  /** Where queries and keys are turned by where patches are: the angles, f32 [patches, D]. */
  readonly rotary?: Parameter;
  /** Of the parameters, those that are this size's alone. */
  readonly tables: readonly Parameter[];
  /** Pixels u8 [B, image height, image width * 3] -> the residual stream before layer 0, [B, M, C]. */
  embed(g: Graph, pixels: Tensor): Tensor;
}

/**
 * A pre-LN vision tower, described: what its layers are and how pixels become tokens. fuse() takes any tower of this form; adding an
 * architecture means describing it.
 *
 * Its own input is that of the pictures it takes; where each comes in a shape of its own, that of a square one.
 */
export interface Tower extends TowerInput {
  /** For people: `SigLIP`. */
  readonly family: string;
  /** C */
  readonly width: number;
  /** H */
  readonly heads: number;
  /** How patches are told apart: by a position table, by turning queries and keys, or by either. */
  readonly positions: 'table' | 'rotary' | 'both';
  /** Of the pictures that its position table was made for, pixels; where these have another grid, the table is interpolated. */
  readonly trainedImage: Size;
  /** P, side of a patch, pixels. */
  readonly patch: number;
  readonly hasClass: boolean;
  /** Register tokens, between class token and patches. */
  readonly registers: number;
  /** All layers, lowest first. */
  readonly layers: readonly TowerLayer[];
  /** The same layers for pictures of another size, in whole patches. */
  at(image: Size): TowerInput;
}

/** Whole patches: what is left over at the right and below belongs to none. */
export function patchesOf({ width, height }: Size, patch: number): Grid {
  return { rows: Math.floor(height / patch), columns: Math.floor(width / patch) };
}

/** Tokens that stand before the patches: the class token and the registers. */
export function tokensBeforePatches({ hasClass, registers }: Pick<Tower, 'hasClass' | 'registers'>): number {
  return (hasClass ? 1 : 0) + registers;
}
