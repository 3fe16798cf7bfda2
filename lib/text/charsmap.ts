import { isUtf8 } from 'node:buffer';

/** Bytes that a unit's children lie in, whichever come first. */
const BLOCK = 256;

/**
 * Why SentencePiece's table of replacements would lead its reader out of bounds, or undefined. It is base64 of the number of bytes of a
 * trie, the trie (a double array of 32-bit units), and the replacements, each ended by a zero (Darts-clone; the reader looks up every
 * unit that it is led to unchecked).
 */
export function faultOfCharsmap(base64: unknown): string | undefined {
  if (typeof base64 !== 'string') return 'none';
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64) return 'text that is no base64';
  const size = bytes.length < 4 ? 0 : bytes.readUInt32LE();
  const count = Math.floor(size / 4);
  if (count === 0 || 4 + count * 4 > bytes.length) return `a trie of ${size} bytes in ${bytes.length}`;
  const units = Uint32Array.from({ length: count }, (_, i) => bytes.readUInt32LE(4 + 4 * i));
  const texts = bytes.subarray(4 + 4 * count);
  if (!isUtf8(texts)) return 'replacements that are no UTF-8';
  // Only the first is read without regard to what it is.
  const safe = units.every((unit, i) => (i > 0 && isValue(unit)) || leadsInside(unit, i, units, texts));
  return safe ? undefined : 'a trie that leads outside';
}

const isValue = (unit: number): boolean => unit >>> 31 === 1;

/** A unit's children, and its value if it has one, are at `i ^ offset`, for a child also ^ its byte. */
function leadsInside(unit: number, i: number, units: Uint32Array, texts: Buffer): boolean {
  const base = i ^ ((unit >>> 10) << ((unit & 0x200) >>> 6));
  if ((base | (BLOCK - 1)) >= units.length) return false;
  const hasValue = ((unit >>> 8) & 1) === 1;
  if (!hasValue) return true;
  const start = (units[base] ?? 0) & 0x7fffffff;
  // Not in the middle of a character.
  return start <= texts.length && ((texts[start] ?? 0) & 0xc0) !== 0x80;
}
