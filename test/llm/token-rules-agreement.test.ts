import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import { QAViT } from '../../lib';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { copyLlava, expectedLlava, framingOf, llavaTensors, NEW_TOKENS } from '../support/vision-language';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { collect, copyFolder, type Form, readExpected, someTokens, visualOf } from './support';

/** What transformers answers under rules of generation_config.json, to the questions of the model's other fixtures in their order. */
interface UnderRules {
  rules: Record<string, unknown>;
  /** Null where two tokens are too close for an agreement to mean anything. */
  texts: (string | null)[];
}

const GENERATION = 'generation_config.json';

describe('the rules of generation_config.json', () => {
  const at = temporaryFolder();
  const expected = JSON.parse(readFileSync(fixture('token-rules.json'), 'utf8')) as Record<string, UnderRules[]>;

  /** @param unruly answers without the rules */
  function hold(said: readonly string[], { texts }: UnderRules, unruly: readonly string[]): void {
    expect(said).to.have.length(texts.length);
    for (const [i, text] of texts.entries()) if (text !== null) expect(said[i]).to.equal(text);
    expect(texts.filter((text, i) => text !== null && text !== unruly[i])).to.have.length.at.least(1);
  }

  const forms: [Form, string, string][] = [
    ['t5-plain', 't5-plain', 'our T5, where a start token counts'],
    ['t5-tiny', 't5-plain', 'an ONNX T5, where it counts too'],
    ['llama-tiny', 'llama-tiny', 'a decoder that reads embeddings, where those count as length alone'],
  ];
  for (const [form, wanted, what] of forms) {
    for (const under of expected[wanted]!) {
      it(`${JSON.stringify(under.rules)} are kept by ${what}, as by transformers`, async () => {
        const asked = readExpected(form).cases.filter(({ prompt }) => prompt === '{question}');
        const model = await loadLanguageModel(
          copyFolder(form, at(form), { [GENERATION]: under.rules }),
          form === 't5-plain' ? { dtype: 'f32' } : {},
        );
        const said: string[] = [];
        for (const answer of asked) {
          said.push((await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 })).join(''));
        }
        await model.close();
        hold(
          said,
          under,
          asked.map(({ text }) => text),
        );
      });
    }
  }

  for (const form of ['t5-plain', 't5-tiny'] as const) {
    it(`end an answer of ${form} by force at the last token that it may have`, async () => {
      const rules = { forced_eos_token_id: 1, eos_token_id: 1, suppress_tokens: [1] };
      const dir = copyFolder(form, at(`forced-${form}`), { [GENERATION]: rules });
      const model = await loadLanguageModel(dir);
      for (const maxNewTokens of [1, 4]) {
        const answer = model.generate(someTokens(), 'what shape?', { maxNewTokens });
        let step = await answer.next();
        while (!step.done) step = await answer.next();
        expect(step.value).to.include({ finish: 'stop', answerTokens: maxNewTokens - 1 });
      }
      await model.close();
    });
  }

  for (const under of expected['clip-llama']!) {
    it(`${JSON.stringify(under.rules)} are kept by a LLaVA, where its prompt counts, as by transformers`, async () => {
      const { answers } = expectedLlava('clip-llama');
      const dir = copyLlava('clip-llama', at('clip-llama'), { [GENERATION]: under.rules });
      const model = await QAViT.load(dir, { device: 'cpu', dtype: 'f32' });
      const { picture } = llavaTensors('clip-llama');
      const said: string[] = [];
      for (const asked of answers) {
        let text = '';
        const options = { maxNewTokens: NEW_TOKENS, ...framingOf(asked) };
        for await (const piece of model.ask(picture, asked.question, options)) text += piece;
        said.push(text);
      }
      await model.close();
      hold(
        said,
        under,
        answers.map(({ text }) => text),
      );
    });
  }
});
