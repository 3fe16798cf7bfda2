/** Data starts at a multiple of this, so that the file can be memory-mapped (NumPy's format description). */
const ALIGNMENT = 64;
const MAGIC = Buffer.from('\x93NUMPY\x01\x00', 'latin1');

/** A .npy file, version 1.0: C order, little-endian f32. */
export function npyFile(data: Float32Array, shape: readonly number[]): Buffer {
  // A tuple of one element needs its comma.
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const description = `{'descr': '<f4', 'fortran_order': False, 'shape': (${dimensions}), }`;
  const unpadded = MAGIC.length + 2 + description.length + 1;
  const header = `${description}${' '.repeat((ALIGNMENT - (unpadded % ALIGNMENT)) % ALIGNMENT)}\n`;
  const length = Buffer.alloc(2);
  length.writeUInt16LE(header.length);
  return Buffer.concat([
    MAGIC,
    length,
    Buffer.from(header, 'latin1'),
    Buffer.from(data.buffer, data.byteOffset, data.byteLength),
  ]);
}
