import { crc32 } from 'node:zlib';
import type { StoredDType } from '../elements';

type SavedDType = StoredDType | 'i64';

const STORAGE: Readonly<Record<SavedDType, string>> = {
  f32: 'FloatStorage',
  bf16: 'BFloat16Storage',
  f16: 'HalfStorage',
  i64: 'LongStorage',
};

/** Where PyTorch puts the numbers of a storage, so that they can be mapped into memory. */
const ALIGNMENT = 64;
/** PyTorch's own padding field in a zip header: an id of two letters, "FB". */
const PADDING = 0x4246;

/** PKWARE's APPNOTE.TXT: signatures, and the bytes of a header without name and extra field. */
const LOCAL = { signature: 0x04034b50, bytes: 30 };
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const END = { signature: 0x06054b50, bytes: 22 };
/** Version 2.0 of the format: files in folders. */
const ZIP_VERSION = 20;

/** Opcodes of pickle's protocol 2, by the names of Python's pickletools. */
const op = {
  proto: Buffer.of(0x80, 2),
  stop: Buffer.from('.'),
  mark: Buffer.from('('),
  tuple: Buffer.from('t'),
  emptyTuple: Buffer.from(')'),
  reduce: Buffer.from('R'),
  persistentId: Buffer.from('Q'),
  newFalse: Buffer.of(0x89),
};

/**
 * One dense tensor as `torch.save(tensor, file)` writes it: a zip archive of a pickle and of its numbers, which
 * `torch.load(file, weights_only=True)` reads. Little-endian, as every machine is that this package is built for.
 *
 * @param numbers row-major, of `dtype`; their count is the product of `shape`, below 2^31
 */
export function torchSave(numbers: Uint8Array, dtype: SavedDType, shape: readonly number[]): Buffer {
  const entries: ZipEntry[] = [
    { name: 'archive/data.pkl', data: pickleOf(dtype, shape) },
    { name: 'archive/byteorder', data: Buffer.from('little') },
    { name: 'archive/data/0', data: numbers, alignment: ALIGNMENT },
    { name: 'archive/version', data: Buffer.from('3\n') },
  ];
  return zip(entries);
}

/** torch._utils._rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks) */
function pickleOf(dtype: SavedDType, shape: readonly number[]): Buffer {
  const strides = shape.map((_, d) => product(shape.slice(d + 1)));
  const type = global('torch', STORAGE[dtype]);
  const storage = [tuple(text('storage'), type, text('0'), text('cpu'), int(product(shape))), op.persistentId];
  const hooks = [global('collections', 'OrderedDict'), op.emptyTuple, op.reduce];
  const view = [int(0), tuple(...shape.map(int)), tuple(...strides.map(int)), op.newFalse];
  const rebuild = global('torch._utils', '_rebuild_tensor_v2');
  return Buffer.concat([op.proto, rebuild, tuple(...storage, ...view, ...hooks), op.reduce, op.stop]);
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}

function global(module: string, name: string): Buffer {
  return Buffer.from(`c${module}\n${name}\n`);
}

function tuple(...items: readonly Buffer[]): Buffer {
  return Buffer.concat([op.mark, ...items, op.tuple]);
}

/** BINUNICODE */
function text(value: string): Buffer {
  const header = Buffer.from('X\0\0\0\0');
  header.writeUInt32LE(Buffer.byteLength(value), 1);
  return Buffer.concat([header, Buffer.from(value)]);
}

/** BININT */
function int(value: number): Buffer {
  const bytes = Buffer.from('J\0\0\0\0');
  bytes.writeInt32LE(value, 1);
  return bytes;
}

interface ZipEntry {
  readonly name: string;
  readonly data: Uint8Array;
  /** Of the first byte of data in the file. */
  readonly alignment?: number;
}

/** Stored entries, each checked by a sum, in one buffer that is allocated once: the numbers are megabytes. */
function zip(entries: readonly ZipEntry[]): Buffer {
  let end = 0;
  const placed = entries.map((entry) => {
    const offset = end;
    const dataOffset = dataStart(entry, offset);
    end = dataOffset + entry.data.length;
    return { ...entry, offset, dataOffset, sum: crc32(entry.data) };
  });
  const directory = placed.map(centralHeader);
  const directoryBytes = directory.reduce((sum, { length }) => sum + length, 0);
  const file = Buffer.alloc(end + directoryBytes + END.bytes);
  for (const entry of placed) {
    writeLocalHeader(file, entry);
    file.set(entry.data, entry.dataOffset);
  }
  Buffer.concat(directory).copy(file, end);
  file.writeUInt32LE(END.signature, end + directoryBytes);
  file.writeUInt16LE(entries.length, end + directoryBytes + 8);
  file.writeUInt16LE(entries.length, end + directoryBytes + 10);
  file.writeUInt32LE(directoryBytes, end + directoryBytes + 12);
  file.writeUInt32LE(end, end + directoryBytes + 16);
  return file;
}

type PlacedEntry = ZipEntry & { offset: number; dataOffset: number; sum: number };

function dataStart({ name, alignment = 1 }: ZipEntry, offset: number): number {
  const headerEnd = offset + LOCAL.bytes + name.length;
  // The padding field has a header of four bytes itself.
  return alignment === 1 ? headerEnd : Math.ceil((headerEnd + 4) / alignment) * alignment;
}

function writeLocalHeader(file: Buffer, { name, data, offset, dataOffset, sum }: PlacedEntry): void {
  const nameEnd = offset + LOCAL.bytes + name.length;
  const extra = dataOffset - nameEnd;
  file.writeUInt32LE(LOCAL.signature, offset);
  file.writeUInt16LE(ZIP_VERSION, offset + 4);
  writeSizes(file, offset + 14, sum, data.length, name.length);
  file.writeUInt16LE(extra, offset + 28);
  file.write(name, offset + LOCAL.bytes, 'latin1');
  if (extra === 0) return;
  file.writeUInt16LE(PADDING, nameEnd);
  file.writeUInt16LE(extra - 4, nameEnd + 2);
}

function centralHeader({ name, data, offset, sum }: PlacedEntry): Buffer {
  const header = Buffer.alloc(CENTRAL.bytes + name.length);
  header.writeUInt32LE(CENTRAL.signature, 0);
  header.writeUInt16LE(ZIP_VERSION, 4);
  header.writeUInt16LE(ZIP_VERSION, 6);
  writeSizes(header, 16, sum, data.length, name.length);
  header.writeUInt32LE(offset, 42);
  header.write(name, CENTRAL.bytes, 'latin1');
  return header;
}

/** The checksum, the size packed and unpacked, and the name's length, in the order that both headers have them. */
function writeSizes(file: Buffer, at: number, sum: number, bytes: number, nameBytes: number): void {
  file.writeUInt32LE(sum, at);
  file.writeUInt32LE(bytes, at + 4);
  file.writeUInt32LE(bytes, at + 8);
  file.writeUInt16LE(nameBytes, at + 12);
}
