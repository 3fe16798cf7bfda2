import { readFileSync } from 'node:fs';

/** Reads an f32 .npy file by the letter of the format's description, so that the writer is held to it. */
export function readNpy(file: string): { data: Float32Array; shape: number[] } {
  const bytes = readFileSync(file);
  if (bytes.toString('latin1', 0, 8) !== '\x93NUMPY\x01\x00') throw new Error('no .npy file of version 1.0');
  const start = 10 + bytes.readUInt16LE(8);
  if (start % 64 !== 0) throw new Error(`data start at ${start}, no multiple of 64`);
  const header = bytes.toString('latin1', 10, start);
  const match = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \(([\d, ]*)\), \} *\n$/.exec(header);
  if (!match?.[1]) throw new Error(`header ${JSON.stringify(header)}`);
  const shape = match[1]
    .split(',')
    .filter((part) => part.trim() !== '')
    .map(Number);
  const data = new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
  if (data.length !== shape.reduce((a, b) => a * b, 1))
    throw new Error(`${data.length} values of shape ${shape.join()}`);
  return { data, shape };
}
