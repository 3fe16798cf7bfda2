import { safetensorsHeader } from './safetensors-header';

export interface NamedTensor {
  data: Float32Array;
  shape: readonly number[];
}

/**
 * A .safetensors file of f32 tensors.
 *
 * @param metadata what else a reader should know; the format allows strings only
 */
export function safetensorsFile(
  tensors: Readonly<Record<string, NamedTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Buffer {
  const entries = Object.entries(tensors).map(([name, { data, shape }]) => {
    return { name, dtype: 'F32', shape, bytes: data.byteLength };
  });
  const parts = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return Buffer.concat([safetensorsHeader(entries, metadata), ...parts]);
}
