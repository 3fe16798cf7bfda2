import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { normalizeQuestion } from '../../lib/text/normalize-question';
import { fixture } from '../support/paths';

interface Row {
  text: string;
  normalized: string;
}

describe('question normalisation', () => {
  const table = JSON.parse(readFileSync(fixture('language', 'normalization.json'), 'utf8')) as Row[];

  for (const { text, normalized } of table) {
    it(`is Python's for ${JSON.stringify(text.slice(0, 40))}`, () => {
      expect(normalizeQuestion(text, 'qa-vit')).to.equal(normalized);
    });
  }

  it("leaves questions alone when it is 'none'", () => {
    for (const { text } of table) expect(normalizeQuestion(text, 'none')).to.equal(text);
  });

  it('keeps 50 words and no more', () => {
    const words = Array.from({ length: 60 }, (_, i) => `w${i}`);
    expect(normalizeQuestion(words.join(' '), 'qa-vit').split(' ')).to.deep.equal(words.slice(0, 50));
  });
});
