// Just enough of the safetensors format to write f32 tensors and to read a header: u64 length, JSON, data.
import { open, rename, rm, writeFile } from 'node:fs/promises';

/** The data behind the header begin at a multiple of this, as the format's own writer has it. */
const ALIGNMENT = 8;
const LONGEST_HEADER = 2 ** 20;

/** Writes one f32 tensor; whoever looks sees the whole file or none. */
export async function writeTensor(file, name, { data, shape }, metadata) {
  const tensor = { dtype: 'F32', shape, data_offsets: [0, data.byteLength] };
  const json = JSON.stringify({ __metadata__: metadata, [name]: tensor });
  const header = Buffer.from(
    json.padEnd(json.length + ((ALIGNMENT - (Buffer.byteLength(json) % ALIGNMENT)) % ALIGNMENT)),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const partial = `${file}.partial`;
  try {
    await writeFile(partial, Buffer.concat([length, header, bytes]));
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** The metadata of a file, or undefined where there is no such file or it is none of ours. */
export async function readMetadata(file) {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { buffer } = await handle.read(Buffer.alloc(8), 0, 8, 0);
    const length = Number(buffer.readBigUInt64LE());
    if (length > LONGEST_HEADER) return undefined;
    const header = await handle.read(Buffer.alloc(length), 0, length, 8);
    return JSON.parse(header.buffer.toString()).__metadata__;
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}
