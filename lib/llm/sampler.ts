import { expectedButFound, type QAViTError } from '../errors';
import { seededRandom, type Random } from './random';

export interface Sampling {
  /** 0: greedy. */
  temperature: number;
  /** 0: all. */
  topK: number;
  topP: number;
  seed: number;
}

/** Chooses a token from its logits [vocabulary]. */
export type Sampler = (logits: Float32Array) => number;

/** @throws (the sampler) QAViTError ERR_FORMAT where logits hold NaN or rule out every token */
export function makeSampler({ temperature, topK, topP, seed }: Sampling): Sampler {
  if (temperature === 0) return likeliest;
  const random = seededRandom(seed);
  return (logits) => draw(probabilities(logits, temperature, topK), topP, random);
}

/** The first of the largest, as torch.argmax on a CPU. */
function likeliest(logits: Float32Array): number {
  let best = 0;
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i] as number;
    if (value > largest) {
      best = i;
      largest = value;
    } else if (Number.isNaN(value)) {
      throw unusable('NaN');
    }
  }
  if (!Number.isFinite(largest)) throw unusable(String(largest));
  return best;
}

function unusable(found: string): QAViTError {
  return expectedButFound('ERR_FORMAT', 'finite numbers', "the decoder's logits", found);
}

/** softmax(logits / temperature) of the topK likeliest; the largest becomes exp(0), so that nothing overflows however small the temperature is. */
function probabilities(logits: Float32Array, temperature: number, topK: number): Float64Array {
  const largest = logits[likeliest(logits)] as number;
  const all = Float64Array.from(logits, (logit) => Math.exp((logit - largest) / temperature));
  const weights = topK > 0 && topK < all.length ? largestOf(all, topK) : all;
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The `count` largest weights, of equal ones the first in the vocabulary's order; 0 for all others. */
function largestOf(weights: Float64Array, count: number): Float64Array {
  const least = nthLargest(weights, count);
  let equal = count - weights.reduce((larger, weight) => larger + Number(weight > least), 0);
  return weights.map((weight) => (weight > least || (weight === least && equal-- > 0) ? weight : 0));
}

/** By a heap of the n largest, their smallest on top: for a small n a pass over the vocabulary, where sorting it takes thirty times as long. */
function nthLargest(weights: Float64Array, n: number): number {
  const heap = new Float64Array(n).fill(-Infinity);
  const at = (place: number) => (place < n ? (heap[place] as number) : Infinity);
  for (const weight of weights) {
    if (weight <= at(0)) continue;
    let place = 0;
    for (let child = 1; ; child = 2 * place + 1) {
      if (at(child + 1) < at(child)) child++;
      if (at(child) >= weight) break;
      heap[place] = at(child);
      place = child;
    }
    heap[place] = weight;
  }
  return at(0);
}

function draw(probability: Float64Array, topP: number, random: Random): number {
  const candidates = topP < 1 ? nucleus(probability, topP) : { ids: probability.keys(), mass: 1 };
  let left = random() * candidates.mass;
  let last = 0;
  for (const id of candidates.ids) {
    const share = probability[id] as number;
    // Rounding of `left` must not draw what is impossible.
    if (share === 0) continue;
    left -= share;
    last = id;
    if (left < 0) break;
  }
  return last;
}

/** The fewest tokens that together reach topP, likeliest first, equal ones in the vocabulary's order. */
function nucleus(probability: Float64Array, topP: number): { ids: number[]; mass: number } {
  // Tokens below this make up less than half of 1 - topP together, so that none is needed; without them sorting is cheap.
  const floor = (1 - topP) / (2 * probability.length);
  const at = (id: number) => probability[id] as number;
  const likely = [...probability.keys()].filter((id) => at(id) >= floor).sort((a, b) => at(b) - at(a));
  let mass = 0;
  const last = likely.findIndex((id) => (mass += at(id)) >= topP);
  return { ids: last < 0 ? likely : likely.slice(0, last + 1), mass };
}
