import path from 'node:path';
import sharp from 'sharp';
import { escapeXml } from './svg';

/**
 * The pictures bring their own font, because a server or a container often has none and would show boxes. Pango finds it once a text
 * has been measured with its file; from then on SVG may name the family. Characters it lacks come from the system's fonts.
 */
const FAMILY = 'QAViT Inter';
const FONTS = path.join(__dirname, '../../../assets/fonts');
const FACES = {
  regular: { name: FAMILY, file: path.join(FONTS, 'inter-regular.otf'), weight: 400 },
  strong: { name: `${FAMILY} SemiBold`, file: path.join(FONTS, 'inter-semibold.otf'), weight: 600 },
} as const;

export interface Type {
  face: keyof typeof FACES;
  /** Pixels. */
  size: number;
}

/** SVG attributes that select a type. */
export function typeAttributes({ face, size }: Type): Record<string, string | number> {
  return { 'font-family': `${FAMILY}, sans-serif`, 'font-weight': FACES[face].weight, 'font-size': size };
}

/** The width of one line of text in pixels. */
export async function measure(text: string, { face, size }: Type): Promise<number> {
  if (text.trim() === '') return 0;
  const { name, file } = FACES[face];
  // At 72 dots per inch a point is a pixel.
  const input = { text: escapeXml(text), font: `${name} ${size}`, fontfile: file, dpi: 72 };
  try {
    const { info } = await sharp({ text: input }).raw().toBuffer({ resolveWithObject: true });
    return info.width;
  } catch (error) {
    // Marks of direction, joiners, variants: there is text, and nothing to be seen of it.
    if (error instanceof Error && error.message.includes('no text to render')) return 0;
    throw error;
  }
}

/** The longest beginning of `text` that `fits`, at least one character. */
async function longestFitting(text: string, fits: (text: string) => Promise<boolean>): Promise<string> {
  const characters = [...text];
  let [good, bad] = [1, characters.length + 1];
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (await fits(characters.slice(0, middle).join(''))) good = middle;
    else bad = middle;
  }
  return characters.slice(0, good).join('');
}

/** More than this many characters fill no caption; measuring stops there. */
const LONGEST_CAPTION = 600;

/**
 * Text broken into at most `maxLines` lines of at most `width` pixels: between words, or inside a word that is wider than a line. What
 * does not fit is replaced by an ellipsis.
 *
 * @param widthOf the width of a line in pixels
 */
export async function wrap(
  text: string,
  width: number,
  maxLines: number,
  widthOf: (line: string) => Promise<number>,
): Promise<string[]> {
  const fits = async (line: string): Promise<boolean> => (await widthOf(line)) <= width;
  let words = text.slice(0, LONGEST_CAPTION).split(/\s+/u).filter(Boolean);
  const lines: string[] = [];
  while (words.length > 0 && lines.length < maxLines) {
    let line = words.shift() ?? '';
    if (!(await fits(line))) {
      const head = await longestFitting(line, fits);
      words.unshift(line.slice(head.length));
      line = head;
    } else {
      for (let next = words[0]; next !== undefined && (await fits(`${line} ${next}`)); next = words[0]) {
        line += ` ${next}`;
        words = words.slice(1);
      }
    }
    lines.push(line);
  }
  const last = lines.at(-1);
  if (last !== undefined && (words.length > 0 || text.length > LONGEST_CAPTION)) {
    lines[lines.length - 1] = `${await longestFitting(last, (line) => fits(`${line}…`))}…`.replace(/\s+…$/u, '…');
  }
  return lines;
}
