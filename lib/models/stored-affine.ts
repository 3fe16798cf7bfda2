import type { Affine, Norm } from '../graph';
import { computed, type NamedTensors, quantizable, scaleRows, stored, type StoredTensor } from '../weights';

/** A linear map as a file has it. */
export interface StoredAffine {
  readonly weight: StoredTensor;
  readonly bias?: StoredTensor;
}

export interface AffineSize {
  readonly out: number;
  readonly inputs: number;
  /** True unless given. */
  readonly bias?: boolean;
}

export function takeAffine(
  tensors: NamedTensors,
  name: string,
  { out, inputs, bias = true }: AffineSize,
): StoredAffine {
  return {
    weight: tensors.take(`${name}.weight`, [out, inputs]),
    bias: bias ? tensors.take(`${name}.bias`, [out]) : undefined,
  };
}

export function takeNorm(tensors: NamedTensors, name: string, width: number, eps: number): Norm {
  const vector = (part: string) => stored(tensors.take(`${name}.${part}`, [width]), 'vector');
  return { gamma: vector('weight'), beta: vector('bias'), eps };
}

/** Rows [start, end) of its outputs. */
export function affineRows({ weight, bias }: StoredAffine, start: number, end: number): StoredAffine {
  return { weight: weight.sliceRows(start, end), bias: bias?.sliceRows(start, end) };
}

/** As parameters of a layer, times LayerScale where there is one. */
export function affineParameters({ weight, bias }: StoredAffine, scale?: StoredTensor): Affine {
  const parameter = (tensor: StoredTensor, role: 'matrix' | 'vector') =>
    scale
      ? computed(tensor.name, role, tensor.shape, () => scaleRows(tensor.read(), scale.read()))
      : stored(tensor, role);
  return { weight: quantizable(parameter(weight, 'matrix')), bias: bias && parameter(bias, 'vector') };
}
