/** What is measured: batches of question-image pairs, and how much arithmetic each is. */
import { BenchError } from '../support/bench-error';

export interface Case {
  /** Pairs of picture and question; pictures where there are no questions. */
  pairs: number;
  /** Questions an image; 0: none, the plain tower. */
  perImage: number;
}

/** Those that decide come first, for runs that end early. */
export const DEFAULT_CASES = '32x1,32x0,1x1,1x0,8x1,8x8,32x4,7x1,28x1,64x1,8x4,28x4,64x4';

export const nameOf = ({ pairs, perImage }: Case): string => `${pairs}x${perImage}`;
export const imagesOf = ({ pairs, perImage }: Case): number => pairs / Math.max(perImage, 1);

/** `32x4`: 32 pairs, 4 questions an image. */
export function parseCases(text: string): Case[] {
  return text.split(',').map((name) => {
    const [, pairs, perImage] = /^(\d+)x(\d+)$/.exec(name.trim()) ?? [];
    const found = { pairs: Number(pairs), perImage: Number(perImage) };
    if (found.pairs > 0 && Number.isInteger(imagesOf(found))) return found;
    throw new BenchError(`Expected PAIRSxQUESTIONS, whole images, for a case of --cases but received '${name}'`);
  });
}

/** What a tower's arithmetic depends on. */
export interface TowerSize {
  /** M, C, H */
  tokens: number;
  width: number;
  heads: number;
  mlp: number;
  layers: number;
  patch: number;
  hasClass: boolean;
  /** Fused layers, and the first of them. */
  fused: number;
  firstFused: number;
  /** Dq, K */
  questionWidth: number;
  questionTokens: number;
}

/**
 * GFLOP of a case, as few as give the result: the layers below the first fused one once an image, the gated projection as one, the
 * question's second map and its keys and values as one.
 */
export function gflopOf(size: TowerSize, { pairs, perImage }: Case): number {
  const { tokens: M, width: C, mlp, layers, patch, fused, firstFused, questionWidth, questionTokens } = size;
  const K = perImage > 0 ? questionTokens : 0;
  const patches = M - Number(size.hasClass);
  const products = 2 * M * (4 * C * C + 2 * C * mlp);
  const attention = (keys: number): number => 4 * M * keys * C;
  const embedding = 2 * patches * 3 * patch * patch * C;
  const lower = embedding + firstFused * (products + attention(M));
  const upper = (layers - firstFused) * (products + attention(M)) + fused * (attention(M + K) - attention(M));
  const listening = fused * 2 * K * (questionWidth * C + 2 * C * C);
  return (imagesOf({ pairs, perImage }) * lower + pairs * (upper + listening)) * 1e-9;
}
