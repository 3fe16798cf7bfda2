import { readFileSync } from 'node:fs';

type StoredArray = Float32Array | Int32Array | Uint8Array;

export interface StoredTensor<Data extends StoredArray = StoredArray> {
  shape: number[];
  data: Data;
}

const ARRAYS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

type Header = Record<string, { dtype: keyof typeof ARRAYS; shape: number[]; data_offsets: [number, number] }>;

/** Reads the fixtures' files whole: a second, independent reader beside the one under test. */
export function readSafetensors(file: string): Map<string, StoredTensor> {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const { __metadata__: _, ...header } = JSON.parse(bytes.toString('utf8', 8, start)) as Header;
  const entries = Object.entries(header).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [from, to],
      },
    ]) => {
      const copy = Uint8Array.from(bytes.subarray(start + from, start + to)).buffer;
      return [name, { shape, data: new ARRAYS[dtype](copy) }] as const;
    },
  );
  return new Map(entries);
}
