import { expectedButFound, type QAViTError } from '../errors';
import { seededRandom } from './random';

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

/**
 * Passes over the vocabulary and no sort of it: of 262,144 tokens, as Gemma has them, one is drawn in 4 ms, with topP in 7 to 14.
 *
 * @throws (the sampler) QAViTError ERR_FORMAT where logits hold NaN or rule out every token
 */
export function makeSampler({ temperature, topK, topP, seed }: Sampling): Sampler {
  if (temperature === 0) return likeliest;
  const random = seededRandom(seed);
  let [weights, scratch] = [new Float64Array(), new Float64Array()];
  return (logits) => {
    if (weights.length !== logits.length) {
      [weights, scratch] = [new Float64Array(logits.length), new Float64Array(logits.length)];
    }
    weights.set(logits);
    const largest = logits[likeliest(logits)] as number;
    if (topK > 0 && topK < weights.length) keep(weights, largestOf(weights, topK), -Infinity);
    let total = softmax(weights, largest, temperature);
    if (topP < 1) {
      scratch.set(weights);
      total = keep(weights, nucleus(scratch, topP * total), 0);
    }
    return draw(weights, random() * total);
  };
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

/**
 * Of logits exp((logit - largest) / temperature), in place: the largest becomes exp(0), so that nothing overflows however small the
 * temperature is.
 *
 * @returns their sum
 */
function softmax(logits: Float64Array, largest: number, temperature: number): number {
  let total = 0;
  for (let i = 0; i < logits.length; i++) total += logits[i] = Math.exp((logits[i]! - largest) / temperature);
  return total;
}

/** What is kept of some numbers: those above `least`, and the first `equal` of those that are it. */
interface Cut {
  readonly least: number;
  readonly equal: number;
}

/**
 * Puts `instead` in the place of all others.
 *
 * @returns the sum of what is kept
 */
function keep(values: Float64Array, { least, equal }: Cut, instead: number): number {
  let [total, left] = [0, equal];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > least || (value === least && left-- > 0)) total += value;
    else values[i] = instead;
  }
  return total;
}

/** The `count` largest, of equal ones the first in the vocabulary's order. */
function largestOf(logits: Float64Array, count: number): Cut {
  const heap = heapOfLargest(logits, count);
  const least = heap[0]!;
  return { least, equal: heap.reduce((equal, value) => equal + Number(value === least), 0) };
}

/** Of the n largest, their smallest first: for a small n a pass over the vocabulary in which little is moved. */
function heapOfLargest(values: Float64Array, n: number): Float64Array {
  const heap = new Float64Array(n).fill(-Infinity);
  const at = (place: number) => (place < n ? heap[place]! : Infinity);
  for (const value of values) {
    if (value <= heap[0]!) continue;
    let place = 0;
    for (let child = 1; ; child = 2 * place + 1) {
      if (at(child + 1) < at(child)) child++;
      if (at(child) >= value) break;
      heap[place] = at(child);
      place = child;
    }
    heap[place] = value;
  }
  return heap;
}

/**
 * The fewest weights that together reach `mass`, of equal ones the first in the vocabulary's order: Hoare's selection, by what weights
 * add up to. Reorders them.
 */
function nucleus(weights: Float64Array, mass: number): Cut {
  let [start, end, left] = [0, weights.length, mass];
  // Those above it were found to reach `mass`. In another order they may add up to less in the last bits; then it is all of them.
  let enough = -Infinity;
  const random = seededRandom(1);
  while (start < end) {
    const pivot = weights[start + Math.floor(random() * (end - start))]!;
    const part = partition(weights, start, end, pivot);
    const equal = part.below - part.above;
    if (part.sum >= left) [end, enough] = [part.above, pivot];
    else if (part.sum + equal * pivot >= left) {
      return { least: pivot, equal: Math.min(equal, Math.ceil((left - part.sum) / pivot)) };
    } else {
      left -= part.sum + equal * pivot;
      start = part.below;
    }
  }
  return { least: enough, equal: 0 };
}

/**
 * Brings what is larger than the pivot to the front of [start, end), up to `above`, and what is smaller to its back, from `below` on.
 *
 * @returns also the sum of what is larger
 */
function partition(weights: Float64Array, start: number, end: number, pivot: number) {
  let [above, below, sum] = [start, end, 0];
  for (let i = start; i < below;) {
    const weight = weights[i]!;
    if (weight > pivot) {
      sum += weight;
      weights[i++] = weights[above]!;
      weights[above++] = weight;
    } else if (weight < pivot) {
      weights[i] = weights[--below]!;
      weights[below] = weight;
    } else i++;
  }
  return { above, below, sum };
}

/** The token at which the sum of the weights before it and its own exceeds `mass`. */
function draw(weights: Float64Array, mass: number): number {
  let [left, last] = [mass, 0];
  for (let id = 0; id < weights.length; id++) {
    const weight = weights[id]!;
    // Rounding of `left` must not draw what is impossible.
    if (weight === 0) continue;
    left -= weight;
    last = id;
    if (left < 0) break;
  }
  return last;
}
