import { expectedButFound, type QAViTError } from '../../errors';

const NEWLINE = 0x0a;

/** The bytes of a pickle, read from front to back. */
export class PickleBytes {
  private position = 0;
  private readonly utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

  constructor(
    private readonly bytes: Buffer,
    private readonly path: string,
  ) {}

  get left(): number {
    return this.bytes.length - this.position;
  }

  /** Refuses the pickle, naming the place. */
  readonly reject = (what: string, found: string): never => {
    throw this.error('ERR_FORMAT', what, found);
  };

  error(code: 'ERR_FORMAT' | 'ERR_UNSUPPORTED', what: string, found: string): QAViTError {
    return expectedButFound(code, what, `byte ${this.position} of data.pkl of ${this.path}`, found);
  }

  u8(): number {
    return this.bytes[this.step(1)] as number;
  }

  u16(): number {
    return this.bytes.readUInt16LE(this.step(2));
  }

  i32(): number {
    return this.bytes.readInt32LE(this.step(4));
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.step(4));
  }

  /** A length: what exceeds the rest of the pickle is refused whatever its size. */
  u64(): number {
    return Number(this.bytes.readBigUInt64LE(this.step(8)));
  }

  float(): number {
    return this.bytes.readDoubleBE(this.step(8));
  }

  take(length: number): Buffer {
    const start = this.step(length);
    return this.bytes.subarray(start, start + length);
  }

  text(length: number): string {
    const bytes = this.take(length);
    try {
      return this.utf8.decode(bytes);
    } catch {
      return this.reject('text in UTF-8', `the bytes ${bytes.subarray(0, 16).toString('hex')}`);
    }
  }

  /** Up to the end of a line, as protocol 0 spells its arguments; one byte a character. */
  line(): string {
    const end = this.bytes.indexOf(NEWLINE, this.position);
    if (end < 0) return this.reject('a line', 'the end of the pickle');
    const line = this.take(end - this.position);
    this.step(1);
    return line.toString('latin1');
  }

  private step(length: number): number {
    if (length > this.left) return this.reject(`${length} more bytes`, `${this.left}: the pickle ends`);
    this.position += length;
    return this.position - length;
  }
}
