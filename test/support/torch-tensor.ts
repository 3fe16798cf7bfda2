import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadAddon } from '../../lib/binding/load';
import { entryOf } from '../../lib/weights/torch/layout';
import { unpickle } from '../../lib/weights/torch/pickle';
import { TorchTensor } from '../../lib/weights/torch/pickle-values';
import { ZipArchive } from '../../lib/weights/torch/zip-archive';

export interface SavedTensor {
  /** As safetensors spells it. */
  dtype: string;
  shape: readonly number[];
  /** Undefined where the numbers stand in row-major order. */
  strides: readonly number[] | undefined;
  bytes: Buffer;
  /** Everything in the archive, in order. */
  names: string[];
}

/** The tensor in the bytes of `torch.save(tensor, file)`, by the package's reader of checkpoints. */
export function savedTensor(file: Buffer): SavedTensor {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-test-'));
  const name = path.join(folder, 'tensor.pt');
  writeFileSync(name, file);
  const mapped = new (loadAddon().MappedFile)(name);
  try {
    const archive = new ZipArchive(mapped);
    const { value, skipped } = unpickle(archive.read('archive/data.pkl', 4096) ?? Buffer.alloc(0), name);
    const data = archive.range('archive/data/0');
    if (!(value instanceof TorchTensor) || skipped.length > 0 || !data) throw new Error('no tensor, or more than one');
    const { dtype, shape, strides, offset, bytes } = entryOf('tensor', value, data, name);
    return { dtype, shape, strides, bytes: Buffer.from(mapped.read(offset, bytes)), names: [...archive.names] };
  } finally {
    mapped.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
