import type { WeightRole } from '../binding/native';

/**
 * A trained array that operations name. A graph knows its name and shape only; where it comes from, and in what form it reaches the
 * device, is lib/weights' business.
 */
export interface Parameter {
  /** For messages: `layers.3.mlp.fc1.weight`. */
  readonly name: string;
  readonly role: WeightRole;
  /** matrix [out, in] or [groups, out, in]; vector [n]; table [rows, columns]. */
  readonly shape: readonly number[];
  /** A matrix that may be kept in int8 where a model is asked for it. */
  readonly quantizable?: true;
  /** A table that may be kept in the compute dtype; others are kept in f32. */
  readonly narrow?: true;
}

/** y = x W^T + b */
export interface Affine {
  readonly weight: Parameter;
  readonly bias?: Parameter;
}

/** Gain and offset of a layer norm. */
export interface Norm {
  readonly gamma?: Parameter;
  readonly beta?: Parameter;
  readonly eps: number;
}

/** A parameter's shape as the addon has it: [groups, out, in], [1, rows, columns] or [1, 1, n]. */
export function paddedShape(parameter: Parameter): [number, number, number] {
  const [last = 1, middle = 1, first = 1] = [...parameter.shape].reverse();
  return [first, middle, last];
}
