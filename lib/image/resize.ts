import { loadAddon } from '../binding/load';
import type { ResampleFilter } from '../binding/native';
import { expectedButFound } from '../errors';
import { abortable } from './abort';
import type { Size } from './geometry';
import { checkPixels, type ImageLimits } from './limits';
import type { RawImage } from './source';

/** @throws QAViTError ERR_ARGUMENT (no pixel left, beyond the limits), ERR_ABORTED */
export type Resize = (picture: RawImage, size: Size) => Promise<RawImage>;

/** Resizing with Pillow's pixels, bit for bit. */
export function resizer(
  filter: ResampleFilter,
  limits: Required<ImageLimits>,
  signal: AbortSignal | undefined,
): Resize {
  return async (picture, size) => {
    checkResizedSize(picture, size, limits);
    if (size.width === picture.width && size.height === picture.height) return picture;
    const { data, width, height } = picture;
    const request = { pixels: data, width, height, toWidth: size.width, toHeight: size.height, filter };
    const pixels = await abortable(loadAddon().resample(request), signal);
    return { data: pixels, width: size.width, height: size.height, channels: 3 };
  };
}

function checkResizedSize(picture: Size, size: Size, limits: Required<ImageLimits>): void {
  if (size.width < 1 || size.height < 1) {
    const found = `${picture.width} x ${picture.height}, which becomes ${size.width} x ${size.height}`;
    throw expectedButFound('ERR_ARGUMENT', 'a picture that keeps both sides', 'resizing', found);
  }
  checkPixels(size.width, size.height, limits, 'the resized picture');
}
