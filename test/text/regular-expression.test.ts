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

  it('may leave open a few things in a row, and not many', () => {
    for (const [part, few] of [
      ['a?', 20],
      ['(a|b)', 20],
      ['a{0,3}', 10],
      ['a{3,0}', 10],
    ] as const) {
      expect(readExpression(`${part.repeat(few)}x`).mayExplode, part).to.equal(false);
      expect(readExpression(`${part.repeat(few + 1)}x`).mayExplode, part).to.equal(true);
    }
    expect(readExpression('a{9}'.repeat(30)).mayExplode).to.equal(false);
    expect(readExpression('a?|'.repeat(30)).mayExplode, 'one of many').to.equal(false);
  });

  it('may match no text, in a group of any kind too', () => {
    const empty = ['b*', 'b{2,0}', 'b{2}?', 'a|b?', '^', '\\K', '\\y', '(b*)\\1', "(?<n>b*)\\k'n'", 'a*(?=b)'];
    for (const source of empty) {
      for (const group of [
        source,
        `(${source})`,
        `(?:${source})`,
        `(?>${source})`,
        `(?i-m:${source})`,
        `(?<a>${source})`,
      ]) {
        expect(readExpression(group).mayBeEmpty, group).to.equal(true);
        expect(readExpression(`${group}c`).mayBeEmpty, `${group}c`).to.equal(false);
      }
    }
    for (const source of ['b', '(?:b)', '(?i)b+', '(?<a>b)c*', 'b{2}', 'b{3,2}', '[]*]', '(?:b|c)', '\\p{L}']) {
      expect(readExpression(source).mayBeEmpty, source).to.equal(false);
    }
  });

  it('may be anything where they hold what is not read', () => {
    for (const source of ['a(?#b)', '(?x)a', '(?i:a(?i)b)', '(?~a)', '(?(1)a)', '(?{a})', '(*SKIP)', '(?<a>b)\\g<a>']) {
      expect(readExpression(source), source).to.deep.equal({ mayExplode: true, mayBeEmpty: true });
    }
  });
});
