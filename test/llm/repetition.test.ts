import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { QAViT } from '../../lib';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { copyLlava, expectedLlava, framingOf, llavaTensors, NEW_TOKENS } from '../support/llava';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { collect, copyFolder, type Form, readExpected, visualOf } from './support';

/** What transformers answers with the penalty, to the questions of the model's other fixtures in their order. */
interface Penalized {
  penalty: number;
  texts: string[];
}

const GENERATION = 'generation_config.json';

describe('the repetition penalty of generation_config.json', () => {
  const at = temporaryFolder();
  const expected = JSON.parse(readFileSync(fixture('repetition.json'), 'utf8')) as Record<string, Penalized>;

  const cases: [Form, string, string][] = [
    ['t5-plain', 't5-plain', 'the start token and the answer (our T5)'],
    ['t5-tiny', 't5-plain', 'the start token and the answer (ONNX)'],
    ['llama-tiny', 'llama-tiny', 'the answer alone where a decoder reads embeddings'],
  ];
  for (const [form, wanted, what] of cases) {
    it(`counts ${what}, as transformers does`, async () => {
      const { penalty, texts } = expected[wanted]!;
      const asked = readExpected(form).cases.filter(({ prompt }) => prompt === '{question}');
      expect(asked).to.have.length(texts.length);
      const model = await loadLanguageModel(
        copyFolder(form, at(form), { [GENERATION]: { repetition_penalty: penalty } }),
        form === 't5-plain' ? { dtype: 'f32' } : {},
      );
      for (const [i, answer] of asked.entries()) {
        const said = (await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 })).join('');
        expect(said).to.equal(texts[i]);
      }
      expect(asked.filter(({ text }, i) => text !== texts[i])).to.have.length.at.least(2);
      await model.close();
    });
  }

  it("counts a vision-language model's prompt too, as transformers does", async () => {
    const { penalty, texts } = expected['clip-llama']!;
    const { answers } = expectedLlava('clip-llama');
    expect(answers).to.have.length(texts.length);
    const dir = copyLlava('clip-llama', at('clip-llama'), { [GENERATION]: { repetition_penalty: penalty } });
    const model = await QAViT.load(dir, { device: 'cpu', dtype: 'f32' });
    const { picture } = llavaTensors('clip-llama');
    for (const [i, asked] of answers.entries()) {
      const options = { maxNewTokens: NEW_TOKENS, ...framingOf(asked) };
      let said = '';
      for await (const piece of model.ask(picture, asked.question, options)) said += piece;
      expect(said).to.equal(texts[i]);
    }
    expect(answers.filter(({ text }, i) => text !== texts[i])).to.have.length.at.least(2);
    await model.close();
  });
});
