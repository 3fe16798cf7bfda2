import type { MappedFile } from '../binding/native';
import type { StoredTensor } from './stored-tensor';

/** PyTorch's own limit. */
export const MAX_DIMENSIONS = 64;

/** In one file: far above any checkpoint, shards of mixtures of experts included. */
export const MAX_TENSORS = 100_000;

/** What a file says of one tensor, checked against the file. */
export interface TensorEntry {
  readonly name: string;
  /** As safetensors spells it: F32, BF16, ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  /** From its first element to its last. */
  readonly bytes: number;
  /** In elements, and only where they do not stand one behind another in row-major order. */
  readonly strides?: readonly number[];
}

/** The tensors of one file. */
export interface TensorFile {
  readonly file: MappedFile;
  readonly tensors: readonly StoredTensor[];
  /** What else the file holds and was left alone; `TorchFile` says what. */
  readonly skipped: readonly string[];
}

/** Where NamedTensors looks for tensors: a folder, or one file. */
export interface TensorSource {
  /** For messages. */
  readonly path: string;
  readonly all: Iterable<StoredTensor>;
}
