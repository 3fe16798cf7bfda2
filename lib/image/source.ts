import { readFile, stat } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';

import { expected, expectedButFound, type QAViTError } from '../errors';
import { throwIfAborted } from './abort';
import { checkBytes, checkPixels, type ImageLimits } from './limits';

/** RGB bytes without a file format around them: HWC, `width * height * 3` of them. */
export interface RawImage {
  data: Uint8Array;
  width: number;
  height: number;
  channels: 3;
}

/** A path, a `file:` URL, an encoded file in memory, or raw RGB. */
export type ImageInput = string | URL | Buffer | Uint8Array | RawImage;

/** An encoded picture in memory that nobody else can change. */
export interface EncodedImage {
  bytes: Buffer;
  /** For messages: the path, or 'the image' if it has none. */
  name: string;
}

const UNNAMED = 'the image';

/** Fetches the bytes of a picture, or checks raw RGB. Nothing is decoded here. */
export async function openImage(
  image: ImageInput,
  limits: Required<ImageLimits>,
  signal?: AbortSignal,
): Promise<EncodedImage | RawImage> {
  if (typeof image === 'string') return readImageFile(pathOf(image), limits, signal);
  if (image instanceof URL) return readImageFile(pathOfUrl(image), limits, signal);
  if (types.isUint8Array(image)) {
    checkBytes(image.byteLength, limits, UNNAMED);
    // A copy: the decoder reads it on another thread, while its owner may write to it or transfer it away.
    return { bytes: Buffer.from(image), name: UNNAMED };
  }
  return checkRawImage(image, limits);
}

function pathOf(text: string): string {
  if (text === '') throw expected('ERR_ARGUMENT', 'a path', 'image', text);
  if (/^data:/i.test(text)) throw unsupportedUrl('data:');
  const scheme = /^([a-z][a-z0-9+.-]*:)\/\//i.exec(text)?.[1];
  if (scheme === undefined) return text;
  if (!URL.canParse(text)) throw expected('ERR_ARGUMENT', 'a path or a valid URL', 'image', text);
  return pathOfUrl(new URL(text));
}

function pathOfUrl(url: URL): string {
  if (url.protocol !== 'file:') throw unsupportedUrl(url.protocol);
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw expectedButFound('ERR_ARGUMENT', 'a URL of a local file', 'image', `${url.href} (${reason(error)})`);
  }
}

// Fetching is left to the caller, who knows which hosts, sizes and time-outs are acceptable.
function unsupportedUrl(protocol: string): QAViTError {
  const what = 'a path, a file: URL or the bytes of the picture';
  return expectedButFound('ERR_UNSUPPORTED', what, 'image', `a ${protocol} URL`);
}

async function readImageFile(path: string, limits: Required<ImageLimits>, signal?: AbortSignal): Promise<EncodedImage> {
  try {
    const info = await stat(path);
    // Reading a pipe or a device could block or never end.
    if (!info.isFile())
      throw expectedButFound('ERR_ARGUMENT', 'a regular file', 'image', kindOf(path, info.isDirectory()));
    checkBytes(info.size, limits, path);
    const bytes = await readFile(path, { signal });
    checkBytes(bytes.byteLength, limits, path);
    return { bytes, name: path };
  } catch (error) {
    throwIfAborted(signal);
    if (!isSystemError(error)) throw error;
    throw expectedButFound('ERR_ARGUMENT', 'a readable file', 'image', `${JSON.stringify(path)} (${reason(error)})`);
  }
}

function kindOf(path: string, isDirectory: boolean): string {
  return `${isDirectory ? 'the directory' : 'the special file'} ${JSON.stringify(path)}`;
}

/** Failures of node:fs and node:url carry a string `code` that does not start like ours. */
function isSystemError(error: unknown): boolean {
  return types.isNativeError(error) && error.name !== 'QAViTError';
}

function reason(error: unknown): string {
  return types.isNativeError(error) ? error.message : String(error);
}

function checkRawImage(image: RawImage, limits: Required<ImageLimits>): RawImage {
  const received: unknown = image;
  if (typeof received !== 'object' || received === null || !types.isUint8Array(image.data)) {
    const what = 'a path, a file: URL, a Buffer or { data: Uint8Array, width, height, channels: 3 }';
    throw expected('ERR_ARGUMENT', what, 'image', received);
  }
  const channels: number = image.channels;
  if (channels !== 3) throw expected('ERR_SHAPE', '3 (RGB)', 'image.channels', channels);
  for (const side of ['width', 'height'] as const) {
    if (!Number.isSafeInteger(image[side]) || image[side] < 1) {
      throw expected('ERR_ARGUMENT', 'a positive integer', `image.${side}`, image[side]);
    }
  }
  const { data, width, height } = image;
  checkPixels(width, height, limits, UNNAMED);
  if (data.length !== width * height * 3) {
    throw expected('ERR_SHAPE', `${width * height * 3} bytes (${height} x ${width} x 3)`, 'image.data', data);
  }
  return { data, width, height, channels: 3 };
}
