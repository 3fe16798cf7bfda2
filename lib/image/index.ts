import { loadAddon } from '../binding/load';
import type { ResampleFilter } from '../binding/native';
import { expectedButFound } from '../errors';
import { abortable, throwIfAborted } from './abort';
import { decodeImage } from './decode';
import { centerCrop, resizedSize, sizeByLongEdge, type Size } from './geometry';
import { checkPixels, resolveLimits, type ImageLimits } from './limits';
import type { PreprocessorConfig } from './preprocessor-config';
import { openImage, type ImageInput, type RawImage } from './source';

export type { ImageInput, RawImage } from './source';
export type { ImageLimits } from './limits';
export { atSize, preparedSize } from './at-size';
export { type PreprocessorFile, readPreprocessorConfig } from './preprocessor-file';
export {
  normalization,
  parsePreprocessorConfig,
  type Normalization,
  type PreprocessorConfig,
} from './preprocessor-config';

/** RGB, HWC, after resizing and cropping; normalisation is left to the patch embedding. */
export interface PreparedImage {
  data: Uint8Array;
  width: number;
  height: number;
}

/**
 * Decodes, resizes and crops a picture for a tower, with the pixels that transformers' Pillow processors give for the same decoded
 * picture. decode.ts says how files become RGB.
 *
 * @throws QAViTError ERR_ARGUMENT (no such file, beyond `limits`), ERR_FORMAT (no picture, damaged), ERR_SHAPE (raw pixels),
 *   ERR_UNSUPPORTED (remote URL, SVG, PDF, ...), ERR_ABORTED
 */
export async function prepareImage(
  image: ImageInput,
  config: PreprocessorConfig,
  options: { signal?: AbortSignal; limits?: ImageLimits } = {},
): Promise<PreparedImage> {
  const { signal } = options;
  const limits = resolveLimits(options.limits, 'limits of a picture');
  throwIfAborted(signal);
  const opened = await openImage(image, limits, signal);
  throwIfAborted(signal);
  const decoded = 'bytes' in opened ? await decodeImage(opened, limits, signal) : opened;
  const resized = await resizeAll(decoded, config, limits, signal);
  return centerCrop(resized, config.crop ?? resized);
}

async function resizeAll(
  picture: RawImage,
  { longestEdgeFirst, resize: step }: PreprocessorConfig,
  limits: Required<ImageLimits>,
  signal: AbortSignal | undefined,
): Promise<RawImage> {
  if (!step) return picture;
  const { rule, filter } = step;
  const resizeTo = (from: RawImage, size: Size) => resize(from, { size, filter }, limits, signal);
  const first =
    longestEdgeFirst === undefined ? picture : await resizeTo(picture, sizeByLongEdge(picture, longestEdgeFirst));
  return resizeTo(first, resizedSize(first, rule));
}

async function resize(
  picture: RawImage,
  { size, filter }: { size: Size; filter: ResampleFilter },
  limits: Required<ImageLimits>,
  signal: AbortSignal | undefined,
): Promise<RawImage> {
  checkResizedSize(picture, size, limits);
  if (size.width === picture.width && size.height === picture.height) return picture;
  const { data, width, height } = picture;
  const request = { pixels: data, width, height, toWidth: size.width, toHeight: size.height, filter };
  const pixels = await abortable(loadAddon().resample(request), signal);
  return { data: pixels, width: size.width, height: size.height, channels: 3 };
}

function checkResizedSize(picture: Size, size: Size, limits: Required<ImageLimits>): void {
  if (size.width < 1 || size.height < 1) {
    const found = `${picture.width} x ${picture.height}, which becomes ${size.width} x ${size.height}`;
    throw expectedButFound('ERR_ARGUMENT', 'a picture that keeps both sides', 'resizing', found);
  }
  checkPixels(size.width, size.height, limits, 'the resized picture');
}
