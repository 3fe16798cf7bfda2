import { expect } from 'chai';
import { readExpression } from '../../lib/text/regular-expression';

describe('regular expressions of tokenizers', () => {
  it('may repeat three things in a row, and not four', () => {
    for (const [source, mayExplode] of [
      ['a+b*c+x', false],
      ['a+b*c+d*x', true],
      ['a+b*(c+|d)x', false],
      ['a+b*(c+d+)x', true],
    ] as const) {
      expect(readExpression(source).mayExplode, source).to.equal(mayExplode);
    }
  });
});
