import { throwIfAborted } from './abort';
import { decodeImage } from './decode';
import { centerCrop, centerOn, resizedSize, type ResizeRule, sizeByLongEdge } from './geometry';
import { checkPixels, resolveLimits, type ImageLimits } from './limits';
import type { PreprocessorConfig } from './preprocessor-config';
import { type Resize, resizer } from './resize';
import { openImage, type ImageInput, type RawImage } from './source';
import { cutTiles, planTiles, type Tiles } from './tiles';

export type { ImageInput, RawImage } from './source';
export type { ImageLimits } from './limits';
export { type TileGrid, type Tiles, withTiles } from './tiles';
export { atSize, preparedSize } from './at-size';
export { inOwnShapes, maxPatchesOf, type MostPatches, shapesOf } from './own-shapes';
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
  /** Absent: it was not cut into any. */
  tiles?: Tiles;
}

/**
 * Decodes, resizes, crops and cuts a picture for a tower, with the pixels that transformers' Pillow processors give for the same decoded
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
  const { resize: step, crop } = config;
  if (!step) return centerCrop(decoded, crop ?? decoded);
  const resize = resizer(step.filter, limits, signal);
  return (await prepareTiled(decoded, config, resize, limits)) ?? prepareWhole(decoded, step.rule, config, resize);
}

async function prepareWhole(
  picture: RawImage,
  rule: ResizeRule,
  { longestEdgeFirst: edge, crop }: PreprocessorConfig,
  resize: Resize,
): Promise<PreparedImage> {
  const first = edge === undefined ? picture : await resize(picture, sizeByLongEdge(picture, edge));
  const resized = await resize(first, resizedSize(first, rule));
  return centerCrop(resized, crop ?? resized);
}

/** Undefined for a picture that is not cut. */
async function prepareTiled(
  picture: RawImage,
  config: PreprocessorConfig,
  resize: Resize,
  limits: Required<ImageLimits>,
): Promise<PreparedImage | undefined> {
  const cut = planTiles(picture, config);
  if (!cut) return undefined;
  const { side, sizes, canvas, wholeOf } = cut;
  if (canvas) checkPixels(canvas.width, canvas.height, limits, 'the picture with its borders');
  let resized = picture;
  for (const size of sizes) resized = await resize(resized, size);
  const whole = await resize(wholeOf === 'canvas' ? resized : picture, { width: side, height: side });
  const tiles = cutTiles(canvas ? centerOn(canvas, resized).data : resized.data, cut);
  const { width, height } = picture;
  return { ...centerCrop(whole, whole), tiles: { ...tiles, ...(canvas && { picture: { width, height } }) } };
}
