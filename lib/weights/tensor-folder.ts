import { existsSync } from 'node:fs';
import path from 'node:path';
import type { MappedFile } from '../binding/native';
import { expectedButFound } from '../errors';
import { isJsonObject, readJsonObject } from '../json-file';
import { openSafetensors } from './safetensors';
import type { StoredTensor } from './stored-tensor';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

/** The tensors of a model folder: one file, or shards and their index. */
export class TensorFolder {
  private constructor(
    readonly directory: string,
    private readonly files: readonly MappedFile[],
    private readonly tensors: ReadonlyMap<string, StoredTensor>,
  ) {}

  /**
   * @throws QAViTError ERR_FORMAT, naming the file, where something is missing, damaged or contradicts the index
   */
  static async open(directory: string): Promise<TensorFolder> {
    const single = path.join(directory, SINGLE);
    const index = path.join(directory, INDEX);
    if (existsSync(single)) return TensorFolder.read(directory, [SINGLE]);
    if (!existsSync(index)) throw expectedButFound('ERR_FORMAT', `${SINGLE} or ${INDEX}`, directory, 'neither');
    const shardOf = await readIndex(index);
    const folder = TensorFolder.read(directory, [...new Set(shardOf.values())]);
    for (const [name, shard] of shardOf) {
      const found = folder.tensors.get(name);
      if (found?.file.path === path.join(directory, shard)) continue;
      folder.close();
      const where = `${shard}, as ${index} says,`;
      throw expectedButFound('ERR_FORMAT', `tensor ${name}`, where, found ? `it in ${found.file.path}` : 'none');
    }
    return folder;
  }

  private static read(directory: string, names: readonly string[]): TensorFolder {
    const files: MappedFile[] = [];
    const tensors = new Map<string, StoredTensor>();
    const folder = new TensorFolder(directory, files, tensors);
    try {
      for (const name of names) {
        const opened = openFile(path.join(directory, name));
        files.push(opened.file);
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
    return this.files.length === 1 ? (this.files[0]?.path ?? this.directory) : this.directory;
  }

  close(): void {
    for (const file of this.files) file.close();
  }
}

function openFile(file: string): ReturnType<typeof openSafetensors> {
  if (!existsSync(file)) throw expectedButFound('ERR_FORMAT', 'a file', file, 'nothing: it does not exist');
  return openSafetensors(file);
}

/** Tensor name -> shard. */
async function readIndex(index: string): Promise<Map<string, string>> {
  const { weight_map: map } = await readJsonObject(index);
  if (!isJsonObject(map)) throw expectedButFound('ERR_FORMAT', 'an object "weight_map"', index, 'none');
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    // A shard lies beside its index: a name with a path in it would let a downloaded index read other files.
    if (typeof shard !== 'string' || path.basename(shard) !== shard || !shard.endsWith('.safetensors')) {
      const found = typeof shard === 'string' ? JSON.stringify(shard) : `a ${typeof shard}`;
      throw expectedButFound('ERR_FORMAT', 'the name of a .safetensors file', `tensor ${name} in ${index}`, found);
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}
