import { open, type FileHandle } from 'node:fs/promises';
import { safetensorsHeader } from '../formats/safetensors-header';
import { BYTES, type StoredDType } from './elements';
import type { StoredTensor } from './stored-tensor';

/** Bytes that are read and written at a time. */
const CHUNK_BYTES = 16 * 2 ** 20;
const NAMES: Readonly<Record<StoredDType, string>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

/** A tensor on its way into a file: its numbers are made when it is its turn. */
export interface OutgoingTensor {
  readonly name: string;
  readonly dtype: StoredDType;
  readonly shape: readonly number[];
  /** All of its bytes in row-major order, in one piece or several. */
  chunks(): AsyncIterable<Uint8Array>;
}

/** A tensor of a file under another name, in the dtype it has. */
export function copied(name: string, tensor: StoredTensor): OutgoingTensor {
  const { dtype, shape } = tensor;
  if (tensor.strides) return computedTensor(name, shape, () => Promise.resolve(tensor.read()));
  // eslint-disable-next-line @typescript-eslint/require-await -- reading is synchronous, what is read is awaited
  async function* chunks(): AsyncIterable<Uint8Array> {
    for (let start = 0; start < tensor.bytes; start += CHUNK_BYTES) {
      yield tensor.file.read(tensor.offset + start, Math.min(CHUNK_BYTES, tensor.bytes - start));
    }
  }
  return { name, dtype, shape, chunks };
}

/** Numbers in f32 that are computed when it is their turn. */
export function computedTensor(
  name: string,
  shape: readonly number[],
  compute: () => Promise<Float32Array>,
): OutgoingTensor {
  async function* chunks(): AsyncIterable<Uint8Array> {
    const { buffer, byteOffset, byteLength } = await compute();
    yield new Uint8Array(buffer, byteOffset, byteLength);
  }
  return { name, dtype: 'f32', shape, chunks };
}

/** Writes a .safetensors file, one tensor after another; of none is more than one piece in memory. */
export async function writeSafetensors(
  path: string,
  tensors: readonly OutgoingTensor[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await writeAll(file, headerOf(tensors));
    for (const tensor of tensors) {
      for await (const chunk of tensor.chunks()) {
        signal?.throwIfAborted();
        await writeAll(file, chunk);
      }
    }
  } finally {
    await file.close();
  }
}

function headerOf(tensors: readonly OutgoingTensor[]): Buffer {
  return safetensorsHeader(
    tensors.map(({ name, dtype, shape }) => {
      const bytes = shape.reduce((product, size) => product * size, BYTES[dtype]);
      return { name, dtype: NAMES[dtype], shape, bytes };
    }),
  );
}

/** A write may take less than it was given. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length;) start += (await file.write(bytes, start)).bytesWritten;
}
