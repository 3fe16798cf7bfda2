import type Sharp from 'sharp';
import type { SharpOptions } from 'sharp';

import { QAViTError, expected, expectedButFound } from '../errors';
import { abortable } from './abort';
import { RASTER_FORMATS, type RasterFormat, sniffFormat } from './formats';
import { makeOpaque } from './gif';
import { checkPixels, type ImageLimits } from './limits';
import type { EncodedImage, RawImage } from './source';

/**
 * Decodes a picture to 8-bit RGB as Pillow's `Image.open(...).convert('RGB')` does, with these decisions:
 * - EXIF orientation is applied (Pillow leaves it to the caller): a picture is described the way people see it.
 * - Alpha is dropped, not composited, as in Pillow: transparent pixels show the colour stored under them.
 * - An embedded ICC profile of RGB or grey is ignored, as in Pillow and therefore in the training of the towers.
 * - Grey becomes three equal channels; 16 bits keep the upper 8 (Pillow clips 16-bit grey to white instead); CMYK is converted by
 *   the colour library's own profile, which is closer to print than Pillow's plain formula.
 * - Of an animation or a multi-page file the first page counts.
 */
export async function decodeImage(
  image: EncodedImage,
  limits: Required<ImageLimits>,
  signal?: AbortSignal,
): Promise<RawImage> {
  if (formatOf(image) === 'GIF') makeOpaque(image.bytes);
  const sharp = loadSharp();
  // Broken pixel data is an error; odd metadata is only a warning and keeps a picture usable.
  const options: SharpOptions = { failOn: 'error', ignoreIcc: true, page: 0, pages: 1 };
  // The header is read without the library's own limit, so that our message can tell the size.
  const { width, height } = await decoding(
    sharp(image.bytes, { ...options, limitInputPixels: false }).metadata(),
    image,
    signal,
  );
  checkPixels(width, height, limits, image.name);

  const pipeline = sharp(image.bytes, { ...options, limitInputPixels: limits.maxPixels })
    .autoOrient()
    .removeAlpha()
    .toColourspace('srgb')
    .raw({ depth: 'uchar' });
  const { data, info } = await decoding(pipeline.toBuffer({ resolveWithObject: true }), image, signal);
  if (info.channels !== 3) throw expected('ERR_FORMAT', '3 channels', image.name, info.channels);
  return { data, width: info.width, height: info.height, channels: 3 };
}

/** @throws QAViTError ERR_UNSUPPORTED or ERR_FORMAT for what is not decoded */
function formatOf(image: EncodedImage): RasterFormat {
  const sniffed = sniffFormat(image.bytes);
  if (sniffed.kind === 'refused') {
    throw expectedButFound('ERR_UNSUPPORTED', RASTER_FORMATS, image.name, sniffed.format);
  }
  if (sniffed.kind === 'unknown') {
    const found = image.bytes.length === 0 ? 'an empty file' : 'something that is no picture';
    throw expectedButFound('ERR_FORMAT', RASTER_FORMATS, image.name, found);
  }
  return sniffed.format;
}

/** Loaded on first use: raw pixels need no decoder, and a machine without its binary can still use them. */
function loadSharp(): typeof Sharp {
  try {
    return require('sharp') as typeof Sharp;
  } catch (cause) {
    const message = 'Expected the package "sharp" for decoding pictures but received an error while loading it';
    throw new QAViTError('ERR_UNSUPPORTED', `${message}: ${firstLine(cause)}`, { cause });
  }
}

async function decoding<T>(work: Promise<T>, image: EncodedImage, signal: AbortSignal | undefined): Promise<T> {
  try {
    return await abortable(work, signal);
  } catch (cause) {
    if (cause instanceof QAViTError) throw cause;
    const message = `Expected an undamaged picture for ${image.name} but received: ${firstLine(cause)}`;
    throw new QAViTError('ERR_FORMAT', message, { cause });
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}
