import type { QuestionFeatures } from '../../lib';
import { floats, random } from './random';

/** A raw picture of noise. */
export function noise(side: number, seed = 1) {
  const next = random(seed);
  const data = Uint8Array.from({ length: side * side * 3 }, () => Math.floor(next() * 256));
  return { data, width: side, height: side, channels: 3 as const };
}

/** Question features of noise. */
export function features(tokens: number, width: number, seed = 1): QuestionFeatures {
  return { data: floats(random(seed + 1000), tokens * width), shape: [tokens, width] };
}
