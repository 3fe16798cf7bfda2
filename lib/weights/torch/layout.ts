import { expectedButFound } from '../../errors';
import type { TensorEntry } from '../tensor-file';
import { quoted, type TorchTensor } from './pickle-values';
import type { ByteRange } from './zip-archive';

/**
 * Where in the file a tensor's elements are.
 *
 * @param data of its storage
 * @throws QAViTError ERR_FORMAT unless the storage holds every element that shape and strides reach
 */
export function entryOf(name: string, tensor: TorchTensor, data: ByteRange, path: string): TensorEntry {
  const { storage, dtype, shape, strides } = tensor;
  const where = `tensor ${quoted(name)} of ${path}`;
  const elements = Math.floor(data.bytes / storage.dtype.bytes);
  if (elements !== storage.elements) {
    const what = `${storage.elements} elements of ${storage.dtype.bytes} bytes in storage ${quoted(storage.key)}`;
    throw expectedButFound('ERR_FORMAT', what, where, `${data.bytes} bytes`);
  }
  // In BigInt: a sum of lying products must not round.
  const empty = shape.includes(0);
  const span = empty ? 0n : shape.reduce((sum, size, i) => sum + BigInt(size - 1) * BigInt(strides[i] as number), 1n);
  const size = BigInt(dtype.bytes);
  if ((BigInt(tensor.offset) + span) * size > BigInt(data.bytes)) {
    const found = `[${shape.join(', ')}] with strides [${strides.join(', ')}] from element ${tensor.offset} on`;
    throw expectedButFound('ERR_FORMAT', `a view inside ${data.bytes} bytes`, where, found);
  }
  return {
    name,
    dtype: dtype.name,
    shape,
    offset: data.offset + tensor.offset * dtype.bytes,
    bytes: Number(span * size),
    ...(isDense(tensor) ? {} : { strides }),
  };
}

/** Whether the elements stand one behind another in row-major order. */
function isDense({ shape, strides }: TorchTensor): boolean {
  if (shape.includes(0)) return true;
  let next = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    // A dimension of one element is never stepped along: its stride says nothing.
    if (size !== 1 && strides[i] !== next) return false;
    next *= size;
  }
  return true;
}
