import { expect } from 'chai';
import { readFileSync } from 'node:fs';

import { fixture } from '../support/paths';
import { expectedOutput } from './expected';
import { CASE_OPS, casesOf } from './index';
import { bits, bytes, floats, indices, weights } from './random';

interface Sample {
  seed: number;
  name: string;
  bits: number[];
  floats: number[];
  shifted: number[];
  weights: number[];
  bytes: number[];
  indices: number[];
}

describe('the case table', () => {
  it('draws the numbers that Python draws', () => {
    const samples = JSON.parse(readFileSync(fixture('random.json'), 'utf8')) as Sample[];
    expect(samples).to.have.length.above(2);
    for (const { seed, name, ...wanted } of samples) {
      const drawn = {
        bits: [...bits(seed, name, 8)],
        floats: [...floats(seed, name, 8)],
        shifted: [...floats(seed, name, 8, { gain: 64, shift: 100 })],
        weights: [...weights(seed, name, 8, 37)],
        bytes: [...bytes(seed, name, 8)],
        indices: [...indices(seed, name, 8, 1000)],
      };
      expect(drawn).to.deep.equal(wanted);
    }
  });

  for (const op of CASE_OPS) {
    it(`tells the cases of ${op} apart`, () => {
      const cases = casesOf(op);
      expect(new Set(cases.map(({ name }) => name)).size).to.equal(cases.length);
      expect(new Set(cases.map(({ seed }) => seed)).size).to.equal(cases.length);
    });

    it(`has finite expected outputs of ${op}`, () => {
      const marked = casesOf(op).filter((entry) => entry.fixture);
      expect(marked).to.have.length.above(4);
      for (const { name } of marked) {
        const { output, bf16Error } = expectedOutput(op, name);
        expect(output.data.length, name).to.equal(output.shape.reduce((product, n) => product * n, 1));
        expect(output.data.every(Number.isFinite), name).to.equal(true);
        expect(bf16Error, name).to.be.within(0, 0.25);
      }
    });
  }
});
