export { firstNonFinite, type StoredDType } from './elements';
export { addFingerprint, digest } from './fingerprint';
export * from './folds';
export { adaptedEmbedding, adaptedMatrix, type LoraConfig } from './lora';
export { computedTensor, copied, type OutgoingTensor, writeSafetensors } from './safetensors-writer';
export { NamedTensors } from './named-tensors';
export { ParameterStore } from './parameter-store';
export { asTensors, PlanRunner } from './plan-runner';
export { type GridFilter, resizeGrid } from './resize-grid';
export type { StoredTensor } from './stored-tensor';
export type { TensorFile, TensorSource } from './tensor-file';
export { shardsOf, type Storage, storageOf, STORAGES, TensorFolder } from './tensor-folder';
export { openTorchFile, type TorchFile, type TorchFileOptions } from './torch/torch-file';
export {
  computed,
  embedding,
  type FoldContext,
  gather,
  type Matrix,
  quantizable,
  stacked,
  stored,
  type WeightParameter,
} from './weight-parameter';
