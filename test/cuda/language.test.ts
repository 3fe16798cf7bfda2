/** A T5 on the GPU: against transformers, and against the CPU far beyond what the fixtures say. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import type { LanguageModel, QuestionEncoding } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { collect, copyFolder, folderOf, readExpected, someTokens, visualOf } from '../llm/support';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { noise } from '../support/pictures';
import { SMALL, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const HOW: QuestionEncoding = { features: 'encoder', normalization: 'none', maxTokens: 64 };

describe('CUDA: T5', () => {
  const at = temporaryFolder();

  for (const form of ['t5-plain', 't5-gated', 't5-tied'] as const) {
    describe(form, () => {
      const { cases, features } = readExpected(form);
      let model: LanguageModel;
      before(async () => {
        model = await loadLanguageModel(folderOf(form), { device: 'cuda', dtype: 'f32' });
      });
      after(() => model.close());

      for (const answer of cases) {
        it(`answers from ${answer.rows} visual tokens as transformers does, every time`, async () => {
          for (let run = 1; run <= 3; run += 1) {
            const pieces = await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 });
            expect(pieces.join(''), `run ${run}`).to.equal(answer.text);
          }
        });
      }

      it('answers several questions at once', async () => {
        const asked = [...cases, ...cases];
        const answers = await Promise.all(
          asked.map((answer) => collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 })),
        );
        expect(answers.map((pieces) => pieces.join(''))).to.deep.equal(asked.map(({ text }) => text));
      });

      for (const { question, maxTokens, rows, embedding, encoder } of features) {
        it(`makes transformers' features of ${JSON.stringify(question)}`, async () => {
          for (const [kind, wanted] of Object.entries({ embedding, encoder })) {
            const found = await model.encodeQuestion(question, { ...HOW, features: kind as 'encoder', maxTokens });
            expect(found.shape).to.deep.equal([rows, 32]);
            expect(relativeError(found.data, wanted), kind).to.be.at.most(1e-5);
          }
        });
      }

      it('comes near in bf16, which is what it takes unless told', async () => {
        const narrow = await loadLanguageModel(folderOf(form), { device: 'cuda' });
        const [first] = features;
        const found = await narrow.encodeQuestion(first!.question, HOW);
        expect(relativeError(found.data, first!.encoder)).to.be.within(1e-4, 0.06);
        expect(await collect(narrow, visualOf(cases[0]!), cases[0]!.question)).to.not.have.length(0);
        await narrow.close();
      });
    });
  }

  it('says the same as on the CPU, with caches that grew twice', async () => {
    const dir = copyFolder('t5-plain', at('endless'), { 'generation_config.json': { eos_token_id: [] } });
    const said = await Promise.all(
      (['cpu', 'cuda'] as const).map(async (device) => {
        const model = await loadLanguageModel(dir, { device, dtype: 'f32' });
        const pieces = await collect(model, someTokens(40), 'what is on', { maxNewTokens: 70 });
        await model.close();
        return pieces.join('');
      }),
    );
    expect(said[1]).to.equal(said[0]);
    expect(said[0]!.length).to.be.above(50);
  });

  it('answers on the GPU of its tower, what both say on the CPU', async () => {
    const folders = {
      ...writeRandomModel(at('model'), { questionWidth: 32, languageWidth: 32 }),
      language: folderOf('t5-plain'),
    };
    const said = await Promise.all(
      (['cpu', 'cuda'] as const).map(async (device) => {
        await using model = await QAViT.load(folders, { device, dtype: 'f32' });
        let text = '';
        for await (const piece of model.ask(noise(SMALL.image), 'what digit?', { maxNewTokens: 12 })) text += piece;
        return text;
      }),
    );
    expect(said[1]).to.equal(said[0]);
    expect(said[0]).to.not.equal('');
  });

  it('is refused where there is no such GPU', async () => {
    await expectRejection(
      loadLanguageModel(folderOf('t5-plain'), { device: 'cuda:999' }),
      'ERR_UNSUPPORTED',
      /^Expected .* for device cuda:999 but received/,
    );
  });
});
