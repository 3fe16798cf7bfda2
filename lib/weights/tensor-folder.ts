import { existsSync } from 'node:fs';
import path from 'node:path';
import { expectedButFound } from '../errors';
import { isJsonObject, type JsonObject, readJsonObject } from '../json-file';
import { openSafetensors } from './safetensors';
import type { StoredTensor } from './stored-tensor';
import type { TensorFile } from './tensor-file';
import { openTorchFile } from './torch/torch-file';

/** How weights lie in a folder: one file, or shards beside an index that says which tensor is in which. */
export interface Storage {
  readonly single: string;
  readonly index: string;
  /** How the name of a shard ends. */
  readonly suffix: string;
  readonly open: (path: string) => TensorFile;
}

/** The first that is there: what is in several formats is the same model. */
export const STORAGES: readonly Storage[] = [
  {
    single: 'model.safetensors',
    index: 'model.safetensors.index.json',
    suffix: '.safetensors',
    open: openSafetensors,
  },
  {
    single: 'pytorch_model.bin',
    index: 'pytorch_model.bin.index.json',
    suffix: '.bin',
    open: (path) => openTorchFile(path),
  },
];

/** Where a folder keeps its tensors; undefined where it has none. */
export function storageOf(has: (name: string) => boolean): Storage | undefined {
  return STORAGES.find(({ single, index }) => has(single) || has(index));
}

/** The tensors of a model folder: one file, or shards and their index; of safetensors or else of PyTorch. */
export class TensorFolder {
  private constructor(
    readonly directory: string,
    private readonly files: readonly TensorFile[],
    private readonly tensors: ReadonlyMap<string, StoredTensor>,
  ) {}

  /**
   * @param wanted names of the tensors that are asked for, all unless given: shards without any of them are not opened and need not
   *   be there
   * @throws QAViTError ERR_FORMAT, naming the file, where something is missing, damaged or contradicts the index; ERR_UNSUPPORTED
   *   for formats that openTorchFile() refuses
   */
  static async open(directory: string, wanted = /(?:)/): Promise<TensorFolder> {
    for (const storage of STORAGES) {
      if (existsSync(path.join(directory, storage.single)))
        return TensorFolder.read(directory, storage, [storage.single]);
      if (existsSync(path.join(directory, storage.index))) return TensorFolder.readShards(directory, storage, wanted);
    }
    const names = STORAGES.flatMap(({ single, index }) => [single, index]);
    const what = `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
    throw expectedButFound('ERR_FORMAT', what, directory, 'none of them');
  }

  private static async readShards(directory: string, storage: Storage, wanted: RegExp): Promise<TensorFolder> {
    const index = path.join(directory, storage.index);
    const shards = shardsOf(await readJsonObject(index), index, storage.suffix);
    const shardOf = [...shards].filter(([name]) => wanted.test(name));
    const folder = TensorFolder.read(directory, storage, [...new Set(shardOf.map(([, shard]) => shard))]);
    for (const [name, shard] of shardOf) {
      const found = folder.tensors.get(name);
      if (found?.file.path === path.join(directory, shard)) continue;
      folder.close();
      const where = `${shard}, as ${index} says,`;
      throw expectedButFound('ERR_FORMAT', `tensor ${name}`, where, found ? `it in ${found.file.path}` : 'none');
    }
    return folder;
  }

  private static read(directory: string, storage: Storage, names: readonly string[]): TensorFolder {
    const files: TensorFile[] = [];
    const tensors = new Map<string, StoredTensor>();
    const folder = new TensorFolder(directory, files, tensors);
    try {
      for (const name of names) {
        const opened = openFile(path.join(directory, name), storage);
        files.push(opened);
        for (const tensor of opened.tensors) {
          const other = tensors.get(tensor.name);
          if (other)
            throw expectedButFound('ERR_FORMAT', 'each tensor once', directory, `${tensor.name} in two shards`);
          tensors.set(tensor.name, tensor);
        }
      }
      return folder;
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  /** All of them, in the order of the files. */
  get all(): Iterable<StoredTensor> {
    return this.tensors.values();
  }

  get(name: string): StoredTensor | undefined {
    return this.tensors.get(name);
  }

  /** What is looked for, and where, in messages. */
  get path(): string {
    return this.files.length === 1 ? (this.files[0]?.file.path ?? this.directory) : this.directory;
  }

  /** Python classes and functions that the files name; see TorchFile. */
  get skipped(): readonly string[] {
    return [...new Set(this.files.flatMap(({ skipped }) => skipped))];
  }

  close(): void {
    for (const { file } of this.files) file.close();
  }
}

function openFile(file: string, storage: Storage): TensorFile {
  if (!existsSync(file)) throw expectedButFound('ERR_FORMAT', 'a file', file, 'nothing: it does not exist');
  return storage.open(file);
}

/**
 * Tensor name -> shard, from an index.
 *
 * @throws QAViTError ERR_FORMAT, naming `index`, where it is none
 */
export function shardsOf({ weight_map: map }: JsonObject, index: string, suffix: string): Map<string, string> {
  if (!isJsonObject(map)) throw expectedButFound('ERR_FORMAT', 'an object "weight_map"', index, 'none');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A shard lies beside its index: a name with a path in it would let a downloaded index read other files.
    if (typeof shard !== 'string' || path.basename(shard) !== shard || !shard.endsWith(suffix)) {
      const found = typeof shard === 'string' ? JSON.stringify(shard) : `a ${typeof shard}`;
      throw expectedButFound('ERR_FORMAT', `the name of a ${suffix} file`, `tensor ${name} in ${index}`, found);
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}
