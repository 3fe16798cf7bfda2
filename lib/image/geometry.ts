/** Sizes and offsets, rounded as in transformers: one pixel off and every patch sees another picture. */
import { expectedButFound } from '../errors';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** As a folder's files can say it. */
export type StatedResizeRule =
  | { readonly kind: 'exact'; readonly width: number; readonly height: number }
  /** Keeps the proportions; `longest` bounds the other edge. */
  | { readonly kind: 'shortest-edge'; readonly shortest: number; readonly longest?: number };

export type ResizeRule =
  | StatedResizeRule
  /** Keeps the proportions nearly: in whole patches of this side, as large as it can be with at most so many. */
  | { readonly kind: 'most-patches'; readonly patch: number; readonly patches: number }
  /** Keeps the proportions nearly: the nearest number of whole patches of this side, unless that is fewer or more pixels than these. */
  | { readonly kind: 'nearest-patches'; readonly patch: number; readonly least: number; readonly most: number }
  /** Keeps the proportions: the smallest that this size has room in. What `shortest-edge` is to squares, to other rectangles. */
  | { readonly kind: 'cover'; readonly width: number; readonly height: number };

/** @throws QAViTError ERR_ARGUMENT for a picture that is too thin for the rule */
export function resizedSize({ width, height }: Size, rule: ResizeRule): Size {
  if (rule.kind === 'exact') return { width: rule.width, height: rule.height };
  if (rule.kind === 'cover') return covering({ width, height }, rule);
  if (rule.kind === 'most-patches') return inPatches({ width, height }, rule);
  if (rule.kind === 'nearest-patches') return inNearestPatches({ width, height }, rule);
  const short = Math.min(width, height);
  const long = Math.max(width, height);
  const edges =
    rule.longest === undefined
      ? byShortEdge(short, long, rule.shortest)
      : byBothEdges(short, long, rule.shortest, rule.longest);
  return width <= height ? { width: edges.short, height: edges.long } : { width: edges.long, height: edges.short };
}

/** Of the two edges that decide, the other is rounded as byShortEdge() does. */
function covering({ width, height }: Size, window: Size): Size {
  return window.width * height > width * window.height
    ? { width: window.width, height: Math.trunc((window.width * height) / width) }
    : { width: Math.trunc((window.height * width) / height), height: window.height };
}

/** SigLIP 2's, which looks for the scale by halves, from almost nothing to a hundredfold, until it is this near. */
const NEAR = 1e-5;

/** Computed as there, step by step: scales that differ in the last bits make other sizes. */
function inPatches({ width, height }: Size, { patch, patches }: { patch: number; patches: number }): Size {
  const scaled = (edge: number, scale: number): number => Math.max(patch, Math.ceil((edge * scale) / patch) * patch);
  let [low, high] = [NEAR / 10, 100];
  while (high - low >= NEAR) {
    const scale = (low + high) / 2;
    if ((scaled(height, scale) / patch) * (scaled(width, scale) / patch) <= patches) low = scale;
    else high = scale;
  }
  return { width: scaled(width, low), height: scaled(height, low) };
}

/** Beyond it transformers refuses a picture. */
const MOST_SLENDER = 200;

/**
 * Qwen2-VL's, computed as there; but that of a thin picture, brought to a handful of patches, has no more than `most` here either.
 */
function inNearestPatches({ width, height }: Size, rule: { patch: number; least: number; most: number }): Size {
  const { patch, least, most } = rule;
  if (Math.max(width, height) / Math.min(width, height) > MOST_SLENDER) {
    const what = `edges of at most 1 to ${MOST_SLENDER}`;
    throw expectedButFound('ERR_ARGUMENT', what, 'a picture in whole patches', `${width} x ${height} pixels`);
  }
  const scaled = (round: (edge: number) => number): Size => ({
    width: round(width) * patch,
    height: round(height) * patch,
  });
  const area = (size: Size): number => size.width * size.height;
  let nearest = scaled((edge) => roundHalfToEven(edge / patch));
  if (area(nearest) < least) {
    const growth = Math.sqrt(least / (height * width));
    nearest = scaled((edge) => Math.ceil((edge * growth) / patch));
  }
  if (area(nearest) <= most) return nearest;
  const shrinkage = Math.sqrt((height * width) / most);
  const within = scaled((edge) => Math.max(1, Math.floor(edge / shrinkage / patch)));
  // One of them is a single patch where both are too many.
  const longest = Math.floor(most / patch ** 2) * patch;
  return { width: Math.min(within.width, longest), height: Math.min(within.height, longest) };
}

interface Edges {
  short: number;
  long: number;
}

/**
 * The size with a long edge of `longest` and about the same proportions: Idefics3 makes the short edge even. Computed from the quotient,
 * as there; from integers some pictures get another edge.
 */
export function sizeByLongEdge({ width, height }: Size, longest: number): Size {
  const even = (edge: number): number => Math.max(1, 2 * Math.ceil(Math.trunc(edge) / 2));
  const ratio = width / height;
  return width >= height
    ? { width: longest, height: even(longest / ratio) }
    : { width: even(longest * ratio), height: longest };
}

function byShortEdge(short: number, long: number, shortest: number): Edges {
  return { short: shortest, long: Math.trunc((shortest * long) / short) };
}

function byBothEdges(short: number, long: number, shortest: number, longest: number): Edges {
  if ((long / short) * shortest <= longest) return byShortEdge(short, long, shortest);
  // The short edge is rounded, but the long one follows from its unrounded length.
  const exact = (longest * short) / long;
  const rounded = roundHalfToEven(exact);
  return { short: rounded, long: rounded === short ? long : Math.trunc((exact * long) / short) };
}

/** Python's round(). */
function roundHalfToEven(value: number): number {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

interface Rgb extends Size {
  readonly data: Uint8Array;
}

/** The middle of a picture; where the crop is larger, black surrounds it. Always a fresh array. */
export function centerCrop(picture: Rgb, crop: Size): Rgb {
  // Rounds down for negative margins too, so that an odd surplus lies right and below in a crop and left and above in a border.
  const left = Math.floor((picture.width - crop.width) / 2);
  const top = Math.floor((picture.height - crop.height) / 2);
  return windowOf(picture, crop, left, top);
}

/** A picture in the middle of a canvas that is no smaller, in black; an odd pixel of a border lies right and below. */
export function centerOn(canvas: Size, picture: Rgb): Rgb {
  const left = Math.floor((canvas.width - picture.width) / 2);
  const top = Math.floor((canvas.height - picture.height) / 2);
  return windowOf(picture, canvas, -left, -top);
}

/** What a window shows of a picture, with its upper left corner there in the picture; black where it shows nothing of it. */
function windowOf(picture: Rgb, crop: Size, left: number, top: number): Rgb {
  const firstColumn = Math.max(left, 0);
  const endColumn = Math.min(left + crop.width, picture.width);
  const data = new Uint8Array(crop.width * crop.height * 3);
  for (let y = Math.max(-top, 0); y < crop.height && y + top < picture.height; ++y) {
    const row = (y + top) * picture.width;
    const pixels = picture.data.subarray((row + firstColumn) * 3, (row + endColumn) * 3);
    data.set(pixels, (y * crop.width + firstColumn - left) * 3);
  }
  return { data, width: crop.width, height: crop.height };
}
