import { checkOptions, integer } from '../calls/options';
import { expectedButFound } from '../errors';

/** What one picture may cost. Checked from file sizes and headers, before anything is decoded. */
export interface ImageLimits {
  /** Width x height, of the decoded picture and of the resized one. Default 64 * 2^20 (a 192 MiB bitmap). */
  maxPixels?: number;
  /** Bytes of an encoded file or buffer. Default 64 MiB. */
  maxBytes?: number;
}

export const DEFAULT_MAX_BYTES = 64 * 2 ** 20;
const DEFAULTS: Required<ImageLimits> = { maxPixels: 64 * 2 ** 20, maxBytes: DEFAULT_MAX_BYTES };

const RULES = { maxPixels: integer(1, 2 ** 40), maxBytes: integer(1, 2 ** 40) };

/**
 * @param where names them in messages
 * @param usual those that hold where none is given
 * @throws QAViTError ERR_ARGUMENT
 */
export function resolveLimits(
  limits: ImageLimits | undefined,
  where: string,
  usual: Required<ImageLimits> = DEFAULTS,
): Required<ImageLimits> {
  const { maxPixels = usual.maxPixels, maxBytes = usual.maxBytes } = checkOptions(limits, RULES, where);
  return { maxPixels, maxBytes };
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
