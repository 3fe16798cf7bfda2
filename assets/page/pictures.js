import { PlainError } from './plain-words.js';

/** What the server decodes and browsers show. */
export const ACCEPTED = ['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif'];

/**
 * @typedef {object} Picture
 * @property {string} name
 * @property {string} url data: URL of the file as it is, which is what the model gets
 * @property {ImageBitmap} bitmap upright, as the server turns it too
 * @property {readonly { question: string, answer: string }[]} questions that are known to fit it
 */

/**
 * @param {Blob} blob
 * @param {string} name
 * @param {Picture['questions']} [questions]
 * @returns {Promise<Picture>}
 */
export async function openPicture(blob, name, questions = []) {
  if (!ACCEPTED.includes(blob.type)) {
    throw new PlainError(`“${name}” is no picture that can be read here. Take a JPEG, PNG, WebP, GIF or AVIF file.`);
  }
  try {
    const [bitmap, url] = await Promise.all([createImageBitmap(blob), dataUrl(blob)]);
    return { name, url, bitmap, questions };
  } catch {
    throw new PlainError(`“${name}” cannot be opened. The file may be damaged.`);
  }
}

/**
 * Before anything is asked about it.
 *
 * @param {Picture} picture
 * @param {{ pixels: number, bytes: number }} limits
 * @throws {PlainError}
 */
export function expectWithin({ name, url, bitmap }, { pixels, bytes }) {
  const [, data = ''] = url.split(',');
  const has = { pixels: bitmap.width * bitmap.height, bytes: Math.floor((data.length * 3) / 4) };
  if (has.pixels > pixels) throw tooLarge(name, `${millions(has.pixels)} megapixels`, millions(pixels));
  if (has.bytes > bytes) throw tooLarge(name, `${millions(has.bytes)} MB`, millions(bytes));
}

/**
 * @param {string} name
 * @param {string} size
 * @param {string} most
 */
const tooLarge = (name, size, most) => new PlainError(`“${name}” has ${size}; this server takes ${most}.`);

/** @param {number} count */
const millions = (count) => (count / 1e6).toLocaleString('en', { maximumFractionDigits: count < 1e7 ? 1 : 0 });

/**
 * @param {Blob} blob
 * @returns {Promise<string>}
 */
function dataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

const SAMPLES = new URL('samples/', import.meta.url);

/** @typedef {{ image: string, questions: { question: string, answer: string }[] }} Sample */

/** @returns {Promise<Sample[]>} */
export async function listSamples() {
  const response = await fetch(new URL('samples.json', SAMPLES));
  return response.ok ? response.json() : [];
}

/** @param {Sample} sample */
export const sampleUrl = ({ image }) => new URL(image, SAMPLES).href;

/** @param {Sample} sample */
export const sampleName = ({ image }) => image.replace(/\.\w+$/, '');

/** @param {Sample} sample */
export async function openSample(sample) {
  const response = await fetch(sampleUrl(sample));
  if (!response.ok) throw new PlainError(`The sample “${sampleName(sample)}” is not on this server.`);
  return openPicture(await response.blob(), sampleName(sample), sample.questions);
}
