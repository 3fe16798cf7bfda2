export { firstNonFinite } from './elements';
export { addFingerprint, digest } from './fingerprint';
export * from './folds';
export { NamedTensors } from './named-tensors';
export { ParameterStore } from './parameter-store';
export type { StoredTensor } from './stored-tensor';
export { TensorFolder } from './tensor-folder';
export {
  computed,
  type FoldContext,
  gather,
  type Matrix,
  quantizable,
  stacked,
  stored,
  type WeightParameter,
} from './weight-parameter';
