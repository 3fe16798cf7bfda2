import { writeFileSync } from 'node:fs';

export interface TensorToWrite {
  dtype: string;
  shape: readonly number[];
  bytes: Uint8Array;
}

export function f32(shape: readonly number[], data: Float32Array): TensorToWrite {
  return { dtype: 'F32', shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** A well-formed file; `header` may then be damaged before it is encoded. */
export function safetensorsBytes(
  tensors: Readonly<Record<string, TensorToWrite>>,
  damage: (header: Record<string, unknown>) => unknown = (header) => header,
): Buffer {
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  return withHeader(JSON.stringify(damage(header)), Buffer.concat(Object.values(tensors).map(({ bytes }) => bytes)));
}

/** A file with any text as header. */
export function withHeader(header: string, data: Uint8Array = Buffer.alloc(0), length?: bigint): Buffer {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, data]);
}

export function writeSafetensors(file: string, tensors: Readonly<Record<string, TensorToWrite>>): void {
  writeFileSync(file, safetensorsBytes(tensors));
}
