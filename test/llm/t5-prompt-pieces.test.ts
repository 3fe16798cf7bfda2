import { expect } from 'chai';
import { promptPieces } from '../../lib/llm/t5/prompt-pieces';
import type { T5Config } from '../../lib/llm/t5/config';

describe('the pieces of a T5’s prompt', () => {
  /** flan-T5 base's; 4.7e9 multiply-adds a layer for 592 rows. */
  const config = {
    width: 768,
    heads: 12,
    headWidth: 64,
    feedForward: 2048,
    gated: true,
    encoderLayers: 12,
  } as T5Config;

  it('hold each layer once, in order, and no more work than they may unless a layer alone does', () => {
    for (const [work, count] of [
      [Infinity, 1],
      [1e12, 1],
      [2e10, 3],
      [1e10, 6],
      [5e9, 12],
      [1, 12],
    ] as const) {
      const pieces = promptPieces(config, 592, work);
      expect(pieces, `${work}`).to.have.length(count);
      const layers = pieces.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, i) => from + i));
      expect(layers, `${work}`).to.deep.equal([...Array(12).keys()]);
    }
  });

  it('are not made where the work is little: of short prompts, and small models', () => {
    expect(promptPieces(config, 64, 2e10)).to.deep.equal([{ from: 0, to: 12 }]);
    expect(promptPieces({ ...config, width: 32, feedForward: 64 }, 592, 2e10)).to.have.length(1);
  });

  it('may be unequal at the end', () => {
    const pieces = promptPieces({ ...config, encoderLayers: 7 }, 592, 2e10);
    expect(pieces).to.deep.equal([
      { from: 0, to: 4 },
      { from: 4, to: 7 },
    ]);
  });
});
