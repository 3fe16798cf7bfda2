import { expect } from 'chai';
import type { AttentionMaps } from '../../lib/qavit/types';
import { attentionToQuestion, changeByQuestion, differenceBetween, standingOut } from '../../lib/view/question-effect';

/** 1 x 2 patches behind a class token, K = 2 question tokens, two fused layers. */
const MAPS: AttentionMaps = {
  layers: [
    { layer: 3, gate: 0.1, attention: { data: Float32Array.of(0.9, 0.9, 0.125, 0.25, 0, 0.5), shape: [3, 2] } },
    { layer: 4, gate: 0.2, attention: { data: Float32Array.of(0.9, 0.9, 0.25, 0.25, 0.25, 0), shape: [3, 2] } },
  ],
  difference: Float32Array.of(9, 0.25, 0.5),
  grid: { rows: 1, columns: 2 },
  hasClass: true,
  picture: { data: new Uint8Array(6), width: 2, height: 1 },
};

describe('view/question-effect', () => {
  it('sums attention over the question, averages layers and leaves the class token out', () => {
    const { values, rows, columns } = attentionToQuestion(MAPS);
    expect({ rows, columns, values: Array.from(values) }).to.deep.equal({
      rows: 1,
      columns: 2,
      values: [0.4375, 0.375],
    });
    expect(Array.from(changeByQuestion(MAPS).values)).to.deep.equal([0.25, 0.5]);
  });

  it('refuses maps without a fused layer', () => {
    expect(() => attentionToQuestion({ ...MAPS, layers: [] })).to.throw('Expected at least one fused layer');
  });

  it('lets the patch stand out that points elsewhere, whatever its length and with or without a class token', () => {
    const grid = { rows: 1, columns: 4 };
    const patches = [1, 0, 2, 0, 0, 3, 4, 0];
    const alone = standingOut({ data: Float32Array.from(patches), shape: [4, 2] }, grid).values;
    const behindClass = standingOut({ data: Float32Array.from([-5, -5, ...patches]), shape: [5, 2] }, grid).values;
    expect(Array.from(behindClass)).to.deep.equal(Array.from(alone));
    // The mean is (7, 3) / 4.
    const expected = [1, 1, 0, 1].map((along) => 1 - (along ? 7 : 3) / Math.hypot(7, 3));
    alone.forEach((value, i) => expect(value).to.be.closeTo(expected[i] ?? NaN, 1e-6));
  });

  it('measures two questions against each other in units of the plain feature', () => {
    const features = (...data: number[]) => ({ data: Float32Array.from(data), shape: [3, 2] as [number, number] });
    const [a, b] = [features(9, 9, 1, 1, 5, 5), features(0, 0, 4, 5, 5, 5)];
    const { values } = differenceBetween(a, b, features(1, 1, 0, 2, 3, 4), { rows: 1, columns: 2 });
    expect(Array.from(values)).to.deep.equal([2.5, 0]);
  });

  it('calls features of length zero like the rest', () => {
    const grid = { rows: 1, columns: 2 };
    expect(Array.from(standingOut({ data: new Float32Array(4), shape: [2, 2] }, grid).values)).to.deep.equal([0, 0]);
  });
});
