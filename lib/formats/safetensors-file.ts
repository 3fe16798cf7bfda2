/** The header is padded so that the data behind it start at a multiple of this, as the format's own writer does. */
const ALIGNMENT = 8;

export interface NamedTensor {
  data: Float32Array;
  shape: readonly number[];
}

/**
 * A .safetensors file of f32 tensors: the header's length (u64), the header (JSON), the data.
 *
 * @param metadata what else a reader should know; the format allows strings only
 */
export function safetensorsFile(
  tensors: Readonly<Record<string, NamedTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Buffer {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { data, shape }]) => {
    const start = end;
    end += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [start, end] }] as const;
  });
  const json = Buffer.from(JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }));
  const padding = Buffer.alloc((ALIGNMENT - (json.length % ALIGNMENT)) % ALIGNMENT, ' ');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length + padding.length));
  const parts = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  return Buffer.concat([length, json, padding, ...parts]);
}
