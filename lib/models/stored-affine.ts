import type { Affine, Norm } from '../graph';
import {
  computed,
  type NamedTensors,
  quantizable,
  scaleRows,
  stack,
  stacked,
  stored,
  type StoredTensor,
} from '../weights';

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

/** Maps of one size as one, each times its factor (default 1). Where only some have a bias, the others' is 0. */
export function sideBySide(name: string, parts: readonly StoredAffine[], factors: readonly number[] = []): Affine {
  const [out = 0, inputs = 0] = parts[0]?.weight.shape ?? [];
  const rows = parts.length * out;
  const weights = parts.map(({ weight }) => weight);
  const biases = parts.map(({ bias }) => bias).filter((bias): bias is StoredTensor => bias !== undefined);
  const weight = quantizable(stacked(`${name}.weight`, 'matrix', [rows, inputs], weights, factors));
  if (biases.length === 0) return { weight };
  const all = `${name}.bias`;
  if (biases.length === parts.length) return { weight, bias: stacked(all, 'vector', [rows], biases, factors) };
  return { weight, bias: computed(all, 'vector', [rows], () => stack(parts.map(readBias), factors)) };
}

/** [out], of zeros where there is none. */
export function readBias({ weight, bias }: StoredAffine): Float32Array {
  return bias?.read() ?? new Float32Array(weight.shape[0] ?? 0);
}
