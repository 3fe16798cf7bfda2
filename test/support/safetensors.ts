import { readFileSync } from 'node:fs';

type StoredArray = Float32Array | Int32Array | Uint8Array;

export interface StoredTensor<Data extends StoredArray = StoredArray> {
  shape: number[];
  data: Data;
}

const ARRAYS = { F32: Float32Array, I32: Int32Array, U8: Uint8Array } as const;

interface HeaderEntry {
  dtype: keyof typeof ARRAYS;
  shape: number[];
  data_offsets: [number, number];
}

/** Reads one of the fixtures' files whole: a second, independent reader beside the one under test. */
export function readSafetensors(file: string): Map<string, StoredTensor> {
  const bytes = readFileSync(file);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, HeaderEntry>;
  const read = ({ dtype, shape, data_offsets: [from, to] }: HeaderEntry): StoredTensor => {
    const copy = Uint8Array.from(bytes.subarray(start + from, start + to));
    return { shape, data: new ARRAYS[dtype](copy.buffer) };
  };
  const tensors = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(tensors.map(([name, entry]) => [name, read(entry)]));
}
