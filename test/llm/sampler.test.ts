import { expect } from 'chai';
import { mock } from 'node:test';
import * as numbers from '../../lib/llm/random';
import { seededRandom, xoshiro128 } from '../../lib/llm/random';
import { makeSampler } from '../../lib/llm/sampler';
import { expectThrow } from '../support/expect-error';

const logits = (...values: number[]) => Float32Array.from(values);
const greedy = makeSampler({ temperature: 0, topK: 0, topP: 1, seed: 0 });
const DRAWS = 20_000;

/** How often each token is drawn. */
function shares(values: Float32Array, temperature: number, topP: number, topK = 0): number[] {
  const sample = makeSampler({ temperature, topK, topP, seed: 7 });
  const counts = new Array<number>(values.length).fill(0);
  for (let i = 0; i < DRAWS; i++) counts[sample(values)]! += 1 / DRAWS;
  return counts;
}

function expectShares(found: number[], wanted: number[]): void {
  // Five standard deviations, which a fair draw leaves once in millions of runs; the seed is fixed besides.
  wanted.forEach((p, i) =>
    expect(found[i], `token ${i}`).to.be.closeTo(p, 5 * Math.sqrt((p * (1 - p)) / DRAWS) + 1e-12),
  );
}

function softmax(values: readonly number[]): number[] {
  const powers = values.map(Math.exp);
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

describe('sampling', () => {
  describe('greedy', () => {
    it('takes the first of the largest', () => {
      expect(greedy(logits(1, 3, 2, 3))).to.equal(1);
      expect(greedy(logits(-Infinity, -5, -5))).to.equal(1);
      expect(greedy(logits(0))).to.equal(0);
      expect(greedy(logits(-0, 0))).to.equal(0);
    });
  });

  describe('drawing', () => {
    const values = [1, 2, 3, -1];

    it('follows softmax(logits / temperature)', () => {
      for (const temperature of [0.5, 1, 2]) {
        expectShares(shares(logits(...values), temperature, 1), softmax(values.map((value) => value / temperature)));
      }
    });

    it('keeps the likeliest tokens that reach topP together', () => {
      const p = softmax(values);
      const kept = (...ids: number[]) => {
        const mass = ids.reduce((sum, id) => sum + p[id]!, 0);
        return p.map((share, id) => (ids.includes(id) ? share / mass : 0));
      };
      expectShares(shares(logits(...values), 1, 0.6), kept(2));
      expectShares(shares(logits(...values), 1, 0.8), kept(2, 1));
      expectShares(shares(logits(...values), 1, 0.95), kept(2, 1, 0));
      expectShares(shares(logits(...values), 1, 0.999), kept(2, 1, 0, 3));
    });

    it('keeps the topK likeliest tokens, and of those the ones that reach topP together', () => {
      const of = (...kept: number[]) => {
        const p = softmax(kept.map((id) => values[id]!));
        return values.map((_, id) => p[kept.indexOf(id)] ?? 0);
      };
      expectShares(shares(logits(...values), 1, 1, 1), of(2));
      expectShares(shares(logits(...values), 1, 1, 2), of(2, 1));
      expectShares(shares(logits(...values), 2, 1, 3), softmax([0.5, 1, 1.5]).concat(0));
      for (const all of [0, 4, 5]) expectShares(shares(logits(...values), 1, 1, all), of(0, 1, 2, 3));
      // Of the two that are left the likelier one has 0.73, of all of them 0.66.
      expectShares(shares(logits(...values), 1, 0.7, 2), of(2));
      expectShares(shares(logits(...values), 1, 0.74, 2), of(2, 1));
      expectShares(shares(logits(...values), 1, 0.7, 3), of(2, 1));
    });

    it('keeps the topK likeliest of a large vocabulary, wherever they stand', () => {
      const random = seededRandom(3);
      const many = Float32Array.from({ length: 2000 }, () => Math.floor(random() * 500) / 100);
      const byLikelihood = [...many.keys()].sort((a, b) => many[b]! - many[a]! || a - b);
      for (const topK of [1, 2, 7, 64, 1999]) {
        const sample = makeSampler({ temperature: 50, topK, topP: 1, seed: 1 });
        const drawn = new Set(Array.from({ length: 20 * Math.min(topK, 64) }, () => sample(many)));
        const likeliest = new Set(byLikelihood.slice(0, topK));
        expect([...drawn].every((token) => likeliest.has(token))).to.equal(true);
        if (topK <= 64) expect(drawn.size).to.equal(topK);
      }
    });

    it('keeps the likeliest that reach topP, wherever they stand and however many are equal', () => {
      const random = seededRandom(5);
      for (const steps of [1, 4, 1000]) {
        const many = Float32Array.from({ length: 200 }, () => (2 * Math.floor(random() * steps)) / steps);
        const p = softmax([...many]);
        const byLikelihood = [...many.keys()].sort((a, b) => many[b]! - many[a]! || a - b);
        for (const topP of [0.01, 0.3, 0.5, 0.9, 0.995]) {
          let mass = 0;
          const last = byLikelihood.findIndex((id) => (mass += p[id]!) >= topP);
          const wanted = byLikelihood.slice(0, last + 1).sort((a, b) => a - b);
          const found = shares(many, 1, topP).flatMap((share, id) => (share > 0 ? [id] : []));
          expect(found, `${steps} steps, ${topP}`).to.deep.equal(wanted);
        }
      }
    });

    it('keeps one more at most where the likeliest reach topP to the last bits', () => {
      const random = seededRandom(11);
      for (let trial = 0; trial < 300; trial++) {
        const many = Float32Array.from({ length: 40 }, () => Math.floor(random() * 20) / 5);
        const byLikelihood = [...many.keys()].sort((a, b) => many[b]! - many[a]! || a - b);
        const weights = byLikelihood.map((id) => Math.exp((many[id]! - many[byLikelihood[0]!]!) / 0.7));
        const sumOf = (of: readonly number[]) => of.reduce((sum, weight) => sum + weight, 0);
        const count = 1 + Math.floor(random() * 20);
        const topP = sumOf(weights.slice(0, count)) / sumOf(weights);
        const sample = makeSampler({ temperature: 0.7, topK: 0, topP, seed: trial });
        const likeliest = new Set(byLikelihood.slice(0, count + 1));
        const others = Array.from({ length: 200 }, () => sample(many)).filter((id) => !likeliest.has(id));
        expect(others, `trial ${trial}, ${count} tokens`).to.deep.equal([]);
      }
    });

    it('keeps no more than topK of equal tokens, the first ones', () => {
      expectShares(shares(logits(1, 0, 1, 1), 1, 1, 2), [0.5, 0, 0.5, 0]);
      expectShares(shares(logits(-Infinity, 0, -Infinity), 1, 1, 2), [0, 1, 0]);
    });

    it('keeps one token however small topP is', () => {
      expectShares(shares(logits(...values), 1, Number.MIN_VALUE), [0, 0, 1, 0]);
      expectShares(shares(new Float32Array(1000).fill(2), 1, 1e-9), [1, ...new Array<number>(999).fill(0)]);
    });

    it('never draws what is ruled out', () => {
      expectShares(shares(logits(-Infinity, 0, -Infinity, 0), 1, 1), [0, 0.5, 0, 0.5]);
      expectShares(shares(logits(-Infinity, 0, -Infinity, 0), 1, 0.99), [0, 0.5, 0, 0.5]);
    });

    it('draws nothing that is ruled out where rounding leaves something over', () => {
      // Ten tenths, taken away one by one, are less than the largest number that is drawn.
      const seeded = mock.method(numbers, 'seededRandom', () => () => 1 - 2 ** -53);
      try {
        const tenth = new Float32Array(11).fill(0);
        tenth[10] = -Infinity;
        expect(makeSampler({ temperature: 1, topK: 0, topP: 1, seed: 0 })(tenth)).to.equal(9);
      } finally {
        seeded.mock.restore();
      }
    });

    it('bears any temperature and any size of logits', () => {
      expectShares(shares(logits(3e38, 1e38, -3e38), 1e-300, 1), [1, 0, 0]);
      expectShares(shares(logits(5, -5), Number.MAX_VALUE, 1), [0.5, 0.5]);
    });

    it('repeats with the same seed, and only with that', () => {
      const run = (seed: number) => {
        const sample = makeSampler({ temperature: 1, topK: 0, topP: 0.9, seed });
        return Array.from({ length: 50 }, () => sample(new Float32Array(100))).join();
      };
      expect(run(3)).to.equal(run(3));
      const runs = [0, 1, 2, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER].map(run);
      expect(new Set(runs).size).to.equal(runs.length);
    });
  });

  it('refuses logits that hold NaN or rule out everything', () => {
    for (const sample of [greedy, makeSampler({ temperature: 1, topK: 0, topP: 1, seed: 0 })]) {
      for (const values of [logits(1, NaN), logits(NaN, 1), logits(-Infinity, -Infinity), logits(0, Infinity)]) {
        expectThrow(() => sample(values), 'ERR_FORMAT', /^Expected finite numbers for the decoder's logits/);
      }
    }
  });

  describe('random numbers', () => {
    it("are xoshiro128**'s", () => {
      const next = xoshiro128([1, 2, 3, 4]);
      // What the published definition gives from this state; the first is rotl(2 * 5, 7) * 9.
      expect([next(), next(), next()]).to.deep.equal([11520, 0, 5927040]);
    });

    it('fill [0, 1) evenly', () => {
      const random = seededRandom(1);
      const bins = new Array<number>(16).fill(0);
      for (let i = 0; i < DRAWS; i++) bins[Math.floor(random() * 16)]! += 1 / DRAWS;
      expectShares(bins, new Array<number>(16).fill(1 / 16));
    });
  });
});
