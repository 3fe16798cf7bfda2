import { createHash } from 'node:crypto';
import path from 'node:path';
import sharp from 'sharp';
import type { QAViT } from '../../lib';
import { root } from '../support/paths';

const SAMPLES = ['digits', 'letters', 'shapes', 'column'];
const QUESTIONS = [
  'what digit is on the red square?',
  'what letter is on the blue circle?',
  'how many squares are there?',
  'is there a red circle?',
  'what color is the star?',
  'what is the color of the triangle?',
  'how many circles are there?',
  'what shape is blue?',
];

/** What may be asked, and the right answer by the library itself. */
export interface Pair {
  readonly picture: Buffer;
  readonly url: string;
  readonly question: string;
  readonly answer: string;
  /** sha-256 of the visual tokens. */
  readonly tokens: string;
}

export function digest(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function tokensDigest({ buffer, byteOffset, byteLength }: Float32Array): string {
  return digest(new Uint8Array(buffer, byteOffset, byteLength));
}

/** Different pictures made of the demo's samples: turned, mirrored, tinted. */
export async function pictures(count: number): Promise<Buffer[]> {
  return Promise.all(
    Array.from({ length: count }, (_, i) => {
      const file = path.join(root, 'models', 'demo', 'samples', `${SAMPLES[i % SAMPLES.length]}.png`);
      const turn = Math.floor(i / SAMPLES.length);
      const turned = sharp(file)
        .rotate((turn % 4) * 90)
        .modulate({ hue: (i * 37) % 360 });
      return (turn % 8 >= 4 ? turned.flop() : turned).png().toBuffer();
    }),
  );
}

export const dataUrl = (picture: Buffer): string => `data:image/png;base64,${picture.toString('base64')}`;

/** A T5 of random weights says something without end. */
export const ANSWER_TOKENS = 30;

/** Every question about every picture, with what the model itself says. */
export async function makePairs(model: QAViT, count: number): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (const picture of await pictures(count)) {
    const url = dataUrl(picture);
    for (const question of QUESTIONS) {
      let answer = '';
      for await (const piece of model.ask(picture, question, { maxNewTokens: ANSWER_TOKENS })) answer += piece;
      const { data } = await model.encode(picture, question);
      pairs.push({ picture, url, question, answer, tokens: tokensDigest(data) });
    }
  }
  return pairs;
}
