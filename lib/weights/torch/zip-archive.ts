import type { MappedFile } from '../../binding/native';
import { expectedButFound, type QAViTError } from '../../errors';
import { readZipDirectory, type ZipDirectory, type ZipEntry } from './zip-directory';

const LOCAL = { signature: 0x04034b50, bytes: 30 };

/** Part of a file. */
export interface ByteRange {
  readonly offset: number;
  readonly bytes: number;
}

/**
 * A zip archive whose entries are stored as they are, so that each is a range of the file. Checksums are not looked at: PyTorch
 * itself writes wrong ones when told to save time (`torch.serialization.set_crc32_options`), and reads without.
 */
export class ZipArchive {
  private readonly directory: ZipDirectory;

  /** @throws QAViTError ERR_FORMAT for anything but a whole, consistent archive */
  constructor(private readonly file: MappedFile) {
    this.directory = readZipDirectory(file);
  }

  get names(): Iterable<string> {
    return this.directory.entries.keys();
  }

  has(name: string): boolean {
    return this.directory.entries.has(name);
  }

  /**
   * Where an entry's bytes are; undefined where there is no such entry.
   *
   * @throws QAViTError ERR_UNSUPPORTED where it is compressed or encrypted, ERR_FORMAT where it is not where the directory says
   */
  range(name: string): ByteRange | undefined {
    const entry = this.directory.entries.get(name);
    if (!entry) return undefined;
    const where = `entry ${JSON.stringify(name)} of ${this.file.path}`;
    checkStored(entry, where);
    const offset = this.dataOffset(entry, where);
    if (offset + entry.bytes <= this.directory.offset) return { offset, bytes: entry.bytes };
    throw wrong(where, `data before byte ${this.directory.offset}`, `${entry.bytes} bytes at ${offset}`);
  }

  /** A small entry's bytes. */
  read(name: string, most: number): Buffer | undefined {
    const range = this.range(name);
    if (!range) return undefined;
    if (range.bytes <= most) return this.file.read(range.offset, range.bytes);
    throw wrong(`entry ${JSON.stringify(name)} of ${this.file.path}`, `at most ${most} bytes`, String(range.bytes));
  }

  /** Behind the local header, whose length only the header itself tells. */
  private dataOffset({ name, localOffset }: ZipEntry, where: string): number {
    const found = `none at byte ${localOffset}`;
    const nameAt = localOffset + LOCAL.bytes;
    if (nameAt > this.directory.offset) throw wrong(where, 'a local header', found);
    const header = this.file.read(localOffset, LOCAL.bytes);
    if (header.readUInt32LE(0) !== LOCAL.signature) throw wrong(where, 'a local header', found);
    const nameBytes = header.readUInt16LE(26);
    if (nameAt + nameBytes > this.directory.offset) throw wrong(where, 'a local header', found);
    // Another entry's header here would mean another entry's numbers.
    const localName = this.file.read(nameAt, nameBytes);
    if (!localName.equals(Buffer.from(name))) throw wrong(where, 'its own local header', "another entry's");
    return nameAt + nameBytes + header.readUInt16LE(28);
  }
}

function wrong(where: string, what: string, found: string): QAViTError {
  return expectedButFound('ERR_FORMAT', what, where, found);
}

function checkStored({ method, encrypted, bytes, packedBytes }: ZipEntry, where: string): void {
  if (encrypted) throw expectedButFound('ERR_UNSUPPORTED', 'stored data', where, 'encrypted data');
  if (method !== 0) {
    throw expectedButFound('ERR_UNSUPPORTED', 'stored data', where, `compressed data (method ${method})`);
  }
  if (bytes !== packedBytes) throw wrong(where, `${bytes} stored bytes`, String(packedBytes));
}
