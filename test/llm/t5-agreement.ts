/** The tests that a T5 passes on every device. */
import { expect } from 'chai';
import type { LanguageModel, QuestionEncoding } from '../../lib/llm/language-model';
import { relativeError } from '../support/compare';
import { collect, type readExpected, visualOf } from './support';

const HOW: QuestionEncoding = { features: 'encoder', normalization: 'none', maxTokens: 64 };

/**
 * What a T5 owes transformers on whatever device.
 *
 * @param model in f32
 * @param loadNarrow the same in bf16
 */
export function itAgreesWithTransformers(
  { cases, features }: ReturnType<typeof readExpected>,
  model: () => LanguageModel,
  loadNarrow: () => Promise<LanguageModel>,
): void {
  it('answers several questions at once', async () => {
    const asked = [...cases, ...cases, ...cases];
    const answers = await Promise.all(
      asked.map((answer) => collect(model(), visualOf(answer), answer.question, { maxNewTokens: 24 })),
    );
    expect(answers.map((pieces) => pieces.join(''))).to.deep.equal(asked.map(({ text }) => text));
  });

  for (const { question, maxTokens, rows, embedding, encoder } of features) {
    it(`makes transformers' features of ${JSON.stringify(question)}`, async () => {
      for (const [kind, wanted] of Object.entries({ embedding, encoder })) {
        const found = await model().encodeQuestion(question, { ...HOW, features: kind as 'encoder', maxTokens });
        expect(found.shape).to.deep.equal([rows, 32]);
        expect(relativeError(found.data, wanted), kind).to.be.at.most(1e-5);
      }
    });
  }

  it('comes near in bf16', async () => {
    const narrow = await loadNarrow();
    const [first] = features;
    const found = await narrow.encodeQuestion(first!.question, HOW);
    expect(relativeError(found.data, first!.encoder)).to.be.within(1e-4, 0.06);
    expect(await collect(narrow, visualOf(cases[0]!), cases[0]!.question)).to.not.have.length(0);
    await narrow.close();
  });
}
