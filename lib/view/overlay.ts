import sharp from 'sharp';
import type { Grid } from '../grid';
import { colorOf } from './color-map';
import { type PatchGrid, type Range, upsample } from './patch-grid';

/** 8-bit RGB, row by row. */
export interface RgbPicture {
  data: Uint8Array;
  width: number;
  height: number;
}

/** How much of a heat map's pixel is the map: its colours are read without doubt, and edges in the picture stay visible. */
const MAP_SHARE = 0.66;
/** The picture below is darkened, or white areas would bleach the low end of the map beyond recognition. */
const PICTURE_LIGHT = 0.7;

/** Of a picture what lies in whole patches: the pixels beyond them, at the right and below, are seen by none, and no map is about them. */
export function withinPatches(picture: RgbPicture, { rows, columns }: Grid, patch: number): RgbPicture {
  const [width, height] = [columns * patch, rows * patch];
  if (width === picture.width && height === picture.height) return picture;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const start = y * picture.width * 3;
    data.set(picture.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { data, width, height };
}

/** Enlarged or reduced to fit a box, keeping its proportions. */
export async function fitInto(picture: RgbPicture, width: number, height: number): Promise<RgbPicture> {
  const scale = Math.min(width / picture.width, height / picture.height);
  const [toWidth, toHeight] = [picture.width, picture.height].map((side) => Math.max(1, Math.round(side * scale)));
  const { data, info } = await sharp(picture.data, {
    raw: { width: picture.width, height: picture.height, channels: 3 },
  })
    .resize({ width: toWidth, height: toHeight, fit: 'fill', kernel: scale > 1 ? 'cubic' : 'lanczos3' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/**
 * A heat map over a picture. The picture is shown in grey, so that every colour seen is a value and none is an object's own.
 */
export function overlay(picture: RgbPicture, grid: PatchGrid, range: Range): RgbPicture {
  const { width, height } = picture;
  const values = upsample(grid, width, height);
  const span = range.high - range.low;
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [red = 0, green = 0, blue = 0] = picture.data.subarray(pixel * 3, pixel * 3 + 3);
    const grey = PICTURE_LIGHT * (0.299 * red + 0.587 * green + 0.114 * blue);
    const color = colorOf(span > 0 ? ((values[pixel] ?? 0) - range.low) / span : 0);
    color.forEach((channel, i) => {
      data[pixel * 3 + i] = Math.round(channel * MAP_SHARE + grey * (1 - MAP_SHARE));
    });
  }
  return { data, width, height };
}
