import { expect } from 'chai';
import { sayAnswer } from '../../lib/llm/answer';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { StopSequences } from '../../lib/llm/stop-sequences';
import type { GenerateOptions } from '../../lib/llm/language-model';
import { expectRejection } from '../support/expect-error';
import { collect, folderOf, readExpected, someTokens, visualOf } from './support';

/** A runtime whose tokens are the letters of a text, and that counts how many it was made to compute. */
class Counting {
  computed = 0;

  /** @param spelling of its tokens, where the tokenizer has one of its own */
  constructor(
    private readonly text: string,
    private readonly spelling: string | null = null,
  ) {}

  async say(stop: readonly string[], length = this.text.length) {
    const next = () => {
      this.computed += 1;
      return Promise.resolve(Float32Array.from(this.text, (_, i) => (i === this.computed - 1 ? 1 : 0)));
    };
    const decode = (ids: readonly number[]) => Promise.resolve(ids.map((id) => this.text[id]).join(''));
    const tokenizer = { decode, tokenOf: () => this.spelling };
    const rules = { apply: () => undefined, isEnd: () => false };
    const sampling = { temperature: 0, topK: 0, topP: 1, seed: 1 };
    const pieces = sayAnswer(next, { rules, tokenizer, sampling, length, stop, heard: { tokens: [], read: 7 } }, 7);
    let said = '';
    for (;;) {
      const { done, value } = await pieces.next();
      if (done) return { said, ...value };
      said += value;
    }
  }
}

describe('stop sequences', () => {
  it('end the computing with the token that completes one, which counts as said', async () => {
    const runtime = new Counting('one. two. three.');
    const { said, finish, promptTokens, answerTokens } = await runtime.say(['. t']);
    expect([said, finish, promptTokens]).to.deep.equal(['one', 'stop', 7]);
    expect([runtime.computed, answerTokens]).to.deep.equal([6, 6]);
  });

  it('that do not appear change nothing, even where the end of the answer begins one', async () => {
    const runtime = new Counting('one. two. three.');
    const { said, finish, answerTokens } = await runtime.say(['four', '. f', '.\n']);
    expect([said, finish]).to.deep.equal(['one. two. three.', 'length']);
    expect([runtime.computed, answerTokens]).to.deep.equal([16, 16]);
  });

  it('end an answer that was held back to its end, as one of bytes is', async () => {
    const { said, finish, answerTokens } = await new Counting('one. two.', '<0x61>').say(['. t']);
    expect([said, finish, answerTokens]).to.deep.equal(['one', 'stop', 9]);
  });

  it('are found across pieces, the one that begins first before the others', () => {
    const stops = new StopSequences(['cde', 'd', 'zz']);
    expect(['ab', 'c', 'x', 'cd', 'e'].map((piece) => stops.push(piece))).to.deep.equal(['ab', '', 'cx', 'c', '']);
    expect([stops.over, stops.finish()]).to.deep.equal([true, '']);
    expect(new StopSequences(['two', 'one']).push('from one to two')).to.equal('from ');
  });

  for (const form of ['t5-tiny', 'llama-tiny'] as const) {
    it(`end answers of ${form} as they end the whole text`, async () => {
      const model = await loadLanguageModel(folderOf(form));
      try {
        const wanted = readExpected(form).cases.find(({ prompt, text }) => prompt === '{question}' && text.length > 8)!;
        const stop = [wanted.text.slice(4, 7)];
        const options: GenerateOptions = { maxNewTokens: 24, stop };
        const pieces = await collect(model, visualOf(wanted), wanted.question, options);
        expect(pieces.join('')).to.equal(wanted.text.slice(0, wanted.text.indexOf(stop[0]!)));
      } finally {
        await model.close();
      }
    });
  }

  it('are refused where they are none', async () => {
    const model = await loadLanguageModel(folderOf('t5-tiny'));
    for (const stop of ['.', [''], [5]]) {
      const asked = model.generate(someTokens(), 'what?', { stop } as never).next();
      await expectRejection(asked, 'ERR_ARGUMENT', /an array of strings that are not empty for option stop/);
    }
    await model.close();
  });
});
