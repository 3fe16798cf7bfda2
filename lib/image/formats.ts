/** File formats told apart by their first bytes, so that no decoder is handed something it was not meant for. */

/** What is decoded. */
export type RasterFormat = 'JPEG' | 'PNG' | 'GIF' | 'WebP' | 'TIFF' | 'AVIF';

export type SniffedFormat =
  | { kind: 'raster'; format: RasterFormat }
  /** Recognised, but not decoded: documents (SVG, PDF) may reference other files and scripts; the others have no decoder here. */
  | { kind: 'refused'; format: string }
  | { kind: 'unknown' };

export const RASTER_FORMATS = 'JPEG, PNG, WebP, GIF, TIFF or AVIF';

/** Enough for every signature below, including the brands of an AVIF file and the prologue of most XML. */
const HEAD_BYTES = 1024;

export function sniffFormat(bytes: Uint8Array): SniffedFormat {
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, HEAD_BYTES)).toString('latin1');
  const raster = rasterFormat(head);
  if (raster) return { kind: 'raster', format: raster };
  const refused = refusedFormat(head);
  return refused ? { kind: 'refused', format: refused } : { kind: 'unknown' };
}

function rasterFormat(head: string): RasterFormat | undefined {
  if (head.startsWith('\xff\xd8\xff')) return 'JPEG';
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return 'PNG';
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return 'GIF';
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return 'WebP';
  // Either byte order, with 32-bit ('*') or 64-bit ('+') offsets.
  if (['II*\0', 'II+\0', 'MM\0*', 'MM\0+'].some((start) => head.startsWith(start))) return 'TIFF';
  if (mediaBrands(head).includes('avif')) return 'AVIF';
  return undefined;
}

function refusedFormat(head: string): string | undefined {
  if (head.startsWith('%PDF-')) return 'PDF';
  if (/^(\xef\xbb\xbf)?\s*(<\?xml|<!DOCTYPE svg|<!--[^]*<svg|<svg)/i.test(head)) return 'SVG or XML';
  if (head.startsWith('BM') && head.startsWith('\0\0\0\0', 6)) return 'BMP';
  if (head.startsWith('\xff\x0a') || head.startsWith('\0\0\0\x0cJXL ')) return 'JPEG XL';
  if (head.startsWith('\0\0\0\x0cjP  ') || head.startsWith('\xff\x4f\xff\x51')) return 'JPEG 2000';
  if (mediaBrands(head).length > 0) return 'HEIF or video';
  return undefined;
}

/** The major and compatible brands of an ISO media file, whose first box is `ftyp`; empty for any other file. */
function mediaBrands(head: string): string[] {
  if (!head.startsWith('ftyp', 4)) return [];
  const boxBytes = Buffer.from(head, 'latin1').readUInt32BE(0);
  const brands = head.slice(8, Math.min(boxBytes, head.length)).match(/[^]{4}/g) ?? [];
  // The second word is the version of the major brand.
  return brands.filter((_, index) => index !== 1);
}
