import { type QAViTError, expected, expectedButFound } from '../errors';
import { isJsonObject } from '../json-file';
import { duplicateKey, parseJson } from '../json-text';
import { MAX_DIMENSIONS, MAX_TENSORS, type TensorEntry } from './tensor-file';

/** Bits of one element, by the format's own names. */
const ELEMENT_BITS: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/** The format's own limit. */
export const MAX_HEADER_BYTES = 100_000_000;

/** Bytes before the header: its length. */
export const PREFIX_BYTES = 8;

/**
 * The length of the header, from a file's first 8 bytes.
 *
 * @param prefix the first 8 bytes, or as many as there are
 * @throws QAViTError ERR_FORMAT where the header cannot lie inside the file
 */
export function headerLength(prefix: Buffer, fileBytes: number, path: string): number {
  if (prefix.length < PREFIX_BYTES) {
    throw expectedButFound(
      'ERR_FORMAT',
      'a safetensors file',
      path,
      `${fileBytes} bytes, less than its smallest header`,
    );
  }
  const length = prefix.readBigUInt64LE();
  const most = Math.min(MAX_HEADER_BYTES, fileBytes - PREFIX_BYTES);
  if (length >= 2n && length <= BigInt(most)) return Number(length);
  throw expectedButFound(
    'ERR_FORMAT',
    `a header of 2 to ${most} bytes`,
    path,
    `${length} (truncated, or no safetensors file)`,
  );
}

/**
 * Reads a header and checks that its tensors fill the rest of the file exactly: no overlap, no hole, nothing outside.
 *
 * @throws QAViTError ERR_FORMAT, naming the file and, where there is one, the tensor
 */
export function parseHeader(header: Buffer, fileBytes: number, path: string): TensorEntry[] {
  const fields = parseFields(header, path);
  const dataStart = PREFIX_BYTES + header.length;
  const named = Object.entries(fields).filter(([name]) => name !== '__metadata__');
  if (named.length > MAX_TENSORS) {
    throw expectedButFound('ERR_UNSUPPORTED', `at most ${MAX_TENSORS} tensors`, path, `${named.length}`);
  }
  const entries = named.map(([name, value]) => parseEntry(name, value, dataStart, path));
  checkCoverage(entries, dataStart, fileBytes, path);
  return entries;
}

function parseFields(header: Buffer, path: string): Readonly<Record<string, unknown>> {
  const text = decode(header, path);
  const value = parseJson(text, 'a JSON header', path);
  if (!isJsonObject(value)) throw expected('ERR_FORMAT', 'a JSON object as header', path, value);
  const twice = duplicateKey(text);
  if (twice !== undefined) throw expectedButFound('ERR_FORMAT', 'each tensor once', path, `${twice} twice`);
  return value;
}

function decode(header: Buffer, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(header);
  } catch (error) {
    throw expectedButFound('ERR_FORMAT', 'a JSON header', path, `none: ${(error as Error).message}`);
  }
}

function parseEntry(name: string, value: unknown, dataStart: number, path: string): TensorEntry {
  const where = `tensor ${JSON.stringify(name)} of ${path}`;
  const wrong = (what: string, found: unknown): QAViTError => expected('ERR_FORMAT', what, where, found);
  if (!isJsonObject(value)) throw wrong('an object', value);
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === 'string' && Object.hasOwn(ELEMENT_BITS, dtype) ? ELEMENT_BITS[dtype] : undefined;
  if (typeof dtype !== 'string' || bits === undefined) throw wrong('a dtype of the format', dtype);
  if (!isListOfCounts(shape)) throw wrong('a shape of non-negative integers', shape);
  if (shape.length > MAX_DIMENSIONS) throw wrong(`at most ${MAX_DIMENSIONS} dimensions`, shape.length);
  if (!isListOfCounts(offsets) || offsets.length !== 2) throw wrong('two data_offsets', offsets);
  const [begin = 0, end = 0] = offsets;
  // In BigInt: a product of lying dimensions must not wrap or round.
  const size = shape.reduce((product, n) => product * BigInt(n), BigInt(bits));
  if (BigInt(end - begin) * 8n !== size) {
    throw wrong(
      `${cut(`${size / 8n}`)} bytes for ${dtype} [${cut(shape.join(', '))}]`,
      `${end - begin} (data_offsets ${begin}..${end})`,
    );
  }
  return { name, dtype, shape, offset: dataStart + begin, bytes: end - begin };
}

/** For messages: 64 lying dimensions are a thousand digits. */
function cut(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function isListOfCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);
}

function checkCoverage(entries: readonly TensorEntry[], dataStart: number, fileBytes: number, path: string): void {
  let end = dataStart;
  for (const { name, offset, bytes } of [...entries].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes)) {
    if (offset !== end) {
      const found = offset < end ? 'one that overlaps another' : 'one behind a gap';
      throw expectedButFound(
        'ERR_FORMAT',
        `data from byte ${end} on`,
        `tensor ${JSON.stringify(name)} of ${path}`,
        found,
      );
    }
    end += bytes;
    if (end > fileBytes) {
      const found = `a file of ${fileBytes} bytes (truncated?)`;
      throw expectedButFound(
        'ERR_FORMAT',
        `data up to byte ${end}`,
        `tensor ${JSON.stringify(name)} of ${path}`,
        found,
      );
    }
  }
  if (end !== fileBytes) throw expectedButFound('ERR_FORMAT', `${end} bytes`, path, `${fileBytes}`);
}
