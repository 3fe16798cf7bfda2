import type { MappedFile } from '../../binding/native';
import { expectedButFound, type QAViTError } from '../../errors';

/** One file of an archive, as the central directory describes it. */
export interface ZipEntry {
  readonly name: string;
  /** 0: stored as it is. */
  readonly method: number;
  readonly encrypted: boolean;
  /** In the archive, and unpacked. */
  readonly packedBytes: number;
  readonly bytes: number;
  /** Of the local header, from the start of the archive. */
  readonly localOffset: number;
}

/** Signatures and fixed lengths of the records (PKWARE's APPNOTE.TXT, 4.3). */
const CENTRAL = { signature: 0x02014b50, bytes: 46 };
const END = { signature: 0x06054b50, bytes: 22 };
const ZIP64_END = { signature: 0x06064b50, bytes: 56 };
const ZIP64_LOCATOR = { signature: 0x07064b50, bytes: 20 };
const ZIP64_EXTRA = 0x0001;
/** In a field of 16 or 32 bits: the value stands in the zip64 record. */
const [ELSEWHERE_16, ELSEWHERE_32] = [0xffff, 0xffffffff];
const MAX_COMMENT_BYTES = 0xffff;

/** Far above any checkpoint (one entry a tensor), far below what would fill the memory. */
const MAX_DIRECTORY_BYTES = 64 * 2 ** 20;
const MAX_ENTRIES = 2 ** 18;

interface DirectoryPlace {
  readonly offset: number;
  readonly bytes: number;
  readonly count: number;
}

/** Where the entries' data ends, and what the directory behind it lists. */
export interface ZipDirectory {
  readonly offset: number;
  readonly entries: ReadonlyMap<string, ZipEntry>;
}

/**
 * Reads the central directory of a zip archive, with 64-bit sizes where they are needed. No entry is touched.
 *
 * @throws QAViTError ERR_FORMAT, naming the file, where it is cut short, contradicts itself or names an entry twice
 */
export function readZipDirectory(file: MappedFile): ZipDirectory {
  const { offset, bytes, count } = findDirectory(file);
  const directory = file.read(offset, bytes);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < count; i++) {
    const { entry, next } = readEntry(directory, at, file.path);
    if (entries.has(entry.name)) throw wrong(file.path, 'each entry once', `${JSON.stringify(entry.name)} twice`);
    entries.set(entry.name, entry);
    at = next;
  }
  if (at !== bytes) throw wrong(file.path, `a zip directory of ${bytes} bytes`, `${count} entries in ${at}`);
  return { offset, entries };
}

function wrong(path: string, what: string, found: string): QAViTError {
  return expectedButFound('ERR_FORMAT', what, path, found);
}

function findDirectory(file: MappedFile): DirectoryPlace {
  const { size, path } = file;
  const tailBytes = Math.min(size, END.bytes + MAX_COMMENT_BYTES);
  const tail = file.read(size - tailBytes, tailBytes);
  const at = endRecord(tail, path);
  const end = size - tailBytes + at;
  const short = {
    offset: tail.readUInt32LE(at + 16),
    bytes: tail.readUInt32LE(at + 12),
    count: tail.readUInt16LE(at + 10),
  };
  if (tail.readUInt16LE(at + 4) + tail.readUInt16LE(at + 6) > 0) {
    throw wrong(path, 'a zip archive in one part', 'one of several');
  }
  const long = zip64Directory(file, end);
  if (long) checkAgreement(short, long.place, path);
  const { place, end: directoryEnd } = long ?? { place: short, end };
  if (place.offset + place.bytes !== directoryEnd) {
    const found = `${place.bytes} bytes at ${place.offset}`;
    throw wrong(path, `a zip directory that ends at byte ${directoryEnd}`, `${found} (truncated or damaged)`);
  }
  if (place.bytes > MAX_DIRECTORY_BYTES || place.count > MAX_ENTRIES) {
    const most = `at most ${MAX_ENTRIES} entries and ${MAX_DIRECTORY_BYTES} bytes of zip directory`;
    throw wrong(path, most, `${place.count} and ${place.bytes}`);
  }
  return place;
}

/** Position of the end record in the file's last bytes: the one whose comment reaches to the end of the file. */
function endRecord(tail: Buffer, path: string): number {
  for (let at = tail.length - END.bytes; at >= 0; at--) {
    const ends = at + END.bytes + tail.readUInt16LE(at + 20) === tail.length;
    if (ends && tail.readUInt32LE(at) === END.signature) return at;
  }
  throw wrong(path, "a zip archive's end record", 'none (truncated?)');
}

function zip64Directory(file: MappedFile, end: number): { place: DirectoryPlace; end: number } | undefined {
  const locatorAt = end - ZIP64_LOCATOR.bytes;
  if (locatorAt < 0) return undefined;
  const locator = file.read(locatorAt, ZIP64_LOCATOR.bytes);
  if (locator.readUInt32LE(0) !== ZIP64_LOCATOR.signature) return undefined;
  const at = integer64(locator, 8, file.path);
  if (at + ZIP64_END.bytes > locatorAt) {
    throw wrong(file.path, `a zip64 end record before byte ${locatorAt}`, `one at ${at}`);
  }
  const record = file.read(at, ZIP64_END.bytes);
  if (record.readUInt32LE(0) !== ZIP64_END.signature) {
    throw wrong(file.path, `a zip64 end record at byte ${at}`, 'something else');
  }
  const place = {
    offset: integer64(record, 48, file.path),
    bytes: integer64(record, 40, file.path),
    count: integer64(record, 32, file.path),
  };
  return { place, end: at };
}

/** Two readers must not see two directories: where the short record says something, it says the same. */
function checkAgreement(short: DirectoryPlace, long: DirectoryPlace, path: string): void {
  const agree =
    (short.offset === ELSEWHERE_32 || short.offset === long.offset) &&
    (short.bytes === ELSEWHERE_32 || short.bytes === long.bytes) &&
    (short.count === ELSEWHERE_16 || short.count === long.count);
  if (!agree) throw wrong(path, 'zip end records that agree', 'two that do not');
}

function readEntry(directory: Buffer, at: number, path: string): { entry: ZipEntry; next: number } {
  if (at + CENTRAL.bytes > directory.length || directory.readUInt32LE(at) !== CENTRAL.signature) {
    throw wrong(path, `an entry at byte ${at} of the zip directory`, 'none');
  }
  const nameEnd = at + CENTRAL.bytes + directory.readUInt16LE(at + 28);
  const extraEnd = nameEnd + directory.readUInt16LE(at + 30);
  const next = extraEnd + directory.readUInt16LE(at + 32);
  if (next > directory.length) throw wrong(path, 'a whole zip directory', 'an entry that reaches over its end');
  const name = entryName(directory.subarray(at + CENTRAL.bytes, nameEnd), path);
  const wide = new WideFields(directory.subarray(nameEnd, extraEnd), `entry ${JSON.stringify(name)} of ${path}`);
  // In this order: that is how the extra field lists those it holds.
  const bytes = wide.value(directory.readUInt32LE(at + 24));
  const packedBytes = wide.value(directory.readUInt32LE(at + 20));
  const localOffset = wide.value(directory.readUInt32LE(at + 42));
  const encrypted = (directory.readUInt16LE(at + 8) & 1) === 1;
  return { entry: { name, method: directory.readUInt16LE(at + 10), encrypted, packedBytes, bytes, localOffset }, next };
}

/** Nothing is unpacked to a disk; a name that tries to leave its folder is refused all the same, as the sign of a forged file. */
function entryName(bytes: Buffer, path: string): string {
  let name: string;
  try {
    name = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw wrong(path, 'names of entries in UTF-8', `the bytes ${bytes.subarray(0, 16).toString('hex')}`);
  }
  const inside = !/^\/|\\|\0/.test(name) && !name.split('/').includes('..');
  if (name !== '' && inside) return name;
  throw wrong(path, 'names of entries inside the archive', JSON.stringify(name.slice(0, 80)));
}

/** The 64-bit values of an entry, in place of fields that are too narrow for them. */
class WideFields {
  private at = 0;
  private readonly values: Buffer;

  constructor(
    extra: Buffer,
    private readonly where: string,
  ) {
    this.values = extraField(extra, ZIP64_EXTRA);
  }

  value(narrow: number): number {
    if (narrow !== ELSEWHERE_32) return narrow;
    if (this.at + 8 > this.values.length) throw wrong(this.where, 'its size and place', 'fewer 64-bit fields');
    this.at += 8;
    return integer64(this.values, this.at - 8, this.where);
  }
}

function extraField(extra: Buffer, wanted: number): Buffer {
  let at = 0;
  while (at + 4 <= extra.length) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === wanted) return extra.subarray(at + 4, end);
    at = end;
  }
  return Buffer.alloc(0);
}

function integer64(bytes: Buffer, at: number, where: string): number {
  const value = bytes.readBigUInt64LE(at);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw wrong(where, 'a size or place below 2^53', String(value));
}
