import { expected, expectedButFound } from '../errors';

/** What one picture may cost. Checked from file sizes and headers, before anything is decoded. */
export interface ImageLimits {
  /** Width x height, of the decoded picture and of the resized one. Default 64 * 2^20 (a 192 MiB bitmap). */
  maxPixels?: number;
  /** Bytes of an encoded file or buffer. Default 64 MiB. */
  maxBytes?: number;
}

const DEFAULT_MAX_PIXELS = 64 * 2 ** 20;
const DEFAULT_MAX_BYTES = 64 * 2 ** 20;

export function resolveLimits(limits: ImageLimits = {}): Required<ImageLimits> {
  return {
    maxPixels: positive(limits.maxPixels ?? DEFAULT_MAX_PIXELS, 'limits.maxPixels'),
    maxBytes: positive(limits.maxBytes ?? DEFAULT_MAX_BYTES, 'limits.maxBytes'),
  };
}

function positive(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw expected('ERR_ARGUMENT', 'a positive integer', name, value);
  }
  return value;
}

export function checkBytes(bytes: number, limits: Required<ImageLimits>, where: string): void {
  if (bytes > limits.maxBytes) {
    throw expectedButFound('ERR_ARGUMENT', `at most ${limits.maxBytes} bytes (limits.maxBytes)`, where, String(bytes));
  }
}

export function checkPixels(width: number, height: number, limits: Required<ImageLimits>, where: string): void {
  if (width * height > limits.maxPixels) {
    const found = `${width} x ${height} = ${width * height}`;
    throw expectedButFound('ERR_ARGUMENT', `at most ${limits.maxPixels} pixels (limits.maxPixels)`, where, found);
  }
}
