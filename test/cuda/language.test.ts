/** A T5 on the GPU: against transformers, and against the CPU far beyond what the fixtures say. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import type { LanguageModel } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { collect, copyFolder, folderOf, readExpected, someTokens, visualOf } from '../llm/support';
import { itAgreesWithTransformers } from '../llm/t5-agreement';
import { expectRejection } from '../support/expect-error';
import { noise } from '../support/pictures';
import { SMALL, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

describe('CUDA: T5', () => {
  const at = temporaryFolder();

  for (const form of ['t5-plain', 't5-gated', 't5-tied'] as const) {
    describe(form, () => {
      const expected = readExpected(form);
      let model: LanguageModel;
      before(async () => {
        model = await loadLanguageModel(folderOf(form), { device: 'cuda', dtype: 'f32' });
      });
      after(() => model.close());

      for (const answer of expected.cases) {
        it(`answers from ${answer.rows} visual tokens as transformers does, every time`, async () => {
          for (let run = 1; run <= 3; run += 1) {
            const pieces = await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 });
            expect(pieces.join(''), `run ${run}`).to.equal(answer.text);
          }
        });
      }

      // bf16 is what a GPU takes unless told.
      itAgreesWithTransformers(
        expected,
        () => model,
        () => loadLanguageModel(folderOf(form), { device: 'cuda' }),
      );
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
