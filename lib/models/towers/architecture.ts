import type { ActivationName } from '../../binding/native';
import type { JsonObject } from '../../json-file';
import type { GridFilter } from '../../weights';

/** The sizes of a vision transformer. */
export interface TowerShape {
  /** C */
  readonly width: number;
  /** Width of the MLP's hidden layer. */
  readonly mlpWidth: number;
  /** L */
  readonly layers: number;
  /** H */
  readonly heads: number;
  /** Side of the pictures that the position table was made for, pixels. */
  readonly image: number;
  /** P, pixels. */
  readonly patch: number;
  readonly activation: ActivationName;
  /** Of every layer norm. */
  readonly eps: number;
}

/** A pre-LN vision transformer as a record: all that transformerTower() needs to build it from a file's tensors. */
export interface TowerArchitecture extends TowerShape {
  /** For people: `SigLIP`. */
  readonly family: string;
  /** Whether the MLP's first map makes a gate and a value side by side, of mlpWidth each: activation(gate) * value. */
  readonly gatedMlp?: boolean;
  /** Whether queries, keys and values have a bias: all alike, or each for itself. */
  readonly qkvBias: boolean | readonly [q: boolean, k: boolean, v: boolean];
  /** Register tokens between the class token and the patches. */
  readonly registers: number;
  /** What transformers' interpolate_pos_encoding resizes this family's position table with; absent where it has none. */
  readonly interpolation?: GridFilter;
  /** Where patches are told apart by turning queries and keys. */
  readonly rotary?: Rotary;
  /**
   * Whether its pictures come in the size that preprocessor_config.json asks for, whatever the position table was made for. The
   * others refuse such a contradiction unless a size is asked for.
   */
  readonly anySize: boolean;
  /** Pictures in shapes of their own come in squares of so many patches a side; in single patches unless given. */
  readonly squares?: number;
  readonly names: TowerNames;
}

/** How queries and keys are turned by where patches are: by angles of rows and columns, as rotaryPositions() makes them. */
export interface Rotary {
  /** Of the angles' periods. */
  readonly base: number;
  /** `relative`: from -1 to 1 across the picture, whatever its size; `counted`: 0, 1, 2, ... from its upper left. */
  readonly places: 'relative' | 'counted';
}

/** Tensor names, behind whatever prefix a file puts in front. Where a part has no name the architecture has no such part. */
export interface TowerNames {
  /** Convolution kernels; what a file has in front of this name is its prefix. */
  readonly kernels: string;
  /**
   * Whether they are [C, 3, P, P], as a convolution has them, [C, P*P*3], as a linear map over pixels has, or [C, 3, frames, P, P] over
   * frames of a film, all of which are the picture. The first unless given.
   */
  readonly kernelsOver?: 'channels' | 'pixels' | { readonly frames: number };
  readonly kernelBias?: string;
  readonly classToken?: string;
  readonly registers?: string;
  readonly positions?: string;
  /** The norm between embeddings and layer 0. */
  readonly preNorm?: string;
  /** Layer i is at `${layers}.${i}`. */
  readonly layers: string;
  readonly layer: LayerNames;
  /** What files hold beyond the hidden states' way: the final norm, pooling heads, buffers. */
  readonly notNeeded: RegExp;
}

export interface LayerNames {
  readonly norm1: string;
  /** One joint map [3C, C], or three. */
  readonly qkv: string | readonly [q: string, k: string, v: string];
  readonly output: string;
  /** LayerScale of the attention branch, [C]. */
  readonly outputScale?: string;
  readonly norm2: string;
  /** One map; of a gated MLP also two, the gate's and the value's. */
  readonly fc1: string | readonly [gate: string, value: string];
  readonly fc2: string;
  /** LayerScale of the MLP branch, [C]. */
  readonly fc2Scale?: string;
}

/** How config.json files of one kind of tower are read. */
export interface TowerFamily {
  /** model_type of a config.json that describes such a tower alone. */
  readonly modelType: string;
  /** model_types of models with such a tower, described by their vision_config. */
  readonly wholes: readonly string[];
  /**
   * @param config the fields of the tower
   * @throws QAViTError ERR_UNSUPPORTED for a variant that cannot be built, ERR_FORMAT for a field that makes no sense
   */
  describe(config: JsonObject, path: string): TowerArchitecture;
}
