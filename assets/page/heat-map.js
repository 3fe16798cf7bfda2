import { colorOf } from './color-map.js';
import { upsample } from './measures.js';

/** How much of a heat map's pixel is the map; as in lib/view/overlay.ts, so that page and `qavit attend` show the same. */
const MAP_SHARE = 0.66;
/** The picture below is darkened, or white areas would bleach the low end of the map beyond recognition. */
const PICTURE_LIGHT = 0.7;
/** What lies outside the patches is shown, but recedes. */
const UNSEEN_LIGHT = 0.35;
/** Values are coloured at this many pixels a side and enlarged smoothly by the browser: more is not to be seen, and costs time. */
const MAP_SIDE = 320;
/** A canvas need not be finer than this, whatever the picture. */
const LONGEST_SIDE = 1280;

/** @typedef {import('./pictures.js').Picture} Picture */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Picture} picture
 */
export function drawPicture(canvas, { bitmap }) {
  const scale = LONGEST_SIDE / Math.max(bitmap.width, bitmap.height);
  // Small pictures are enlarged as well, for the map over them to be fine.
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  greys.delete(canvas);
  const context = contextOf(canvas);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
}

/**
 * The heat map over the region that its patches cover. The picture is shown in grey, so that every colour seen is a value and none is an
 * object's own.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLCanvasElement} picture as drawPicture drew it
 * @param {{ grid: import('./measures.js').PatchGrid, range: import('./measures.js').Range, region: import('./geometry.js').Region }} map
 */
export function drawHeatMap(canvas, picture, { grid, range, region }) {
  const { width, height } = picture;
  canvas.width = width;
  canvas.height = height;
  const context = contextOf(canvas);
  const grey = greyOf(picture);
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.globalAlpha = UNSEEN_LIGHT;
  context.drawImage(grey, 0, 0);

  /** @type {[number, number, number, number]} */
  const box = [region.left * width, region.top * height, region.width * width, region.height * height];
  context.save();
  context.beginPath();
  context.rect(...box);
  context.clip();
  context.globalAlpha = 1;
  context.fillRect(...box);
  context.globalAlpha = PICTURE_LIGHT;
  context.drawImage(grey, 0, 0);
  context.globalAlpha = MAP_SHARE;
  context.imageSmoothingQuality = 'high';
  context.drawImage(coloured(grid, range), ...box);
  context.restore();
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {CanvasRenderingContext2DSettings} [settings]
 */
function contextOf(canvas, settings) {
  const context = canvas.getContext('2d', settings);
  if (!context) throw new Error('This browser gives no canvas to draw on.');
  return context;
}

/** @type {WeakMap<HTMLCanvasElement, HTMLCanvasElement>} */
const greys = new WeakMap();

/**
 * In grey; remembered, because moving the layer slider draws the same picture over and over.
 *
 * @param {HTMLCanvasElement} picture
 */
function greyOf(picture) {
  const known = greys.get(picture);
  if (known) return known;
  const grey = document.createElement('canvas');
  grey.width = picture.width;
  grey.height = picture.height;
  // Pixels are read back: on the CPU's side from the start, that costs no way to the GPU and back.
  const context = contextOf(grey, { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, grey.width, grey.height);
  const { data } = pixels;
  for (let i = 0; i < data.length; i += 4) {
    data.fill(0.299 * (data[i] ?? 0) + 0.587 * (data[i + 1] ?? 0) + 0.114 * (data[i + 2] ?? 0), i, i + 3);
  }
  context.putImageData(pixels, 0, 0);
  greys.set(picture, grey);
  return grey;
}

/**
 * @param {import('./measures.js').PatchGrid} grid
 * @param {import('./measures.js').Range} range
 */
function coloured(grid, { low, high }) {
  const span = high - low;
  const pixels = new ImageData(MAP_SIDE, MAP_SIDE);
  upsample(grid, MAP_SIDE, MAP_SIDE).forEach((value, i) => {
    const [red, green, blue] = colorOf(span > 0 ? (value - low) / span : 0);
    pixels.data.set([red, green, blue, 255], i * 4);
  });
  const canvas = document.createElement('canvas');
  canvas.width = MAP_SIDE;
  canvas.height = MAP_SIDE;
  contextOf(canvas).putImageData(pixels, 0, 0);
  return canvas;
}
