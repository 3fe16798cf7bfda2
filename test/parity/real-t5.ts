/** Run by scripts/parity.js, which makes the models: real sizes do not fit in the repository. */
import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { LanguageModel } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { T5LanguageModel } from '../../lib/llm/t5/t5-language-model';
import { relativeError } from '../support/compare';

interface Expected {
  cases: { question: string; rows: number; visual: number[]; tokens: number[] }[];
  features: { question: string; maxTokens: number; rows: number; encoder: number[] }[];
}

const folder = process.env.QAVIT_PARITY ?? '';

describe('real-size T5 against transformers', () => {
  for (const name of readdirSync(folder).filter((each) => existsSync(path.join(folder, each, 'tokenizer.json')))) {
    const dir = path.join(folder, name);
    const { cases, features } = JSON.parse(readFileSync(path.join(dir, 'expected.json'), 'utf8')) as Expected;
    describe(name, () => {
      let model: LanguageModel;
      before(async () => {
        model = await loadLanguageModel(dir, { dtype: 'f32' });
        expect(model).to.be.instanceOf(T5LanguageModel);
      });
      after(() => model.close());

      for (const { question, maxTokens, encoder } of features) {
        it(`features of ${JSON.stringify(question)}`, async () => {
          const how = { features: 'encoder', normalization: 'none', maxTokens } as const;
          expect(relativeError((await model.encodeQuestion(question, how)).data, encoder)).to.be.at.most(1e-5);
        });
      }

      for (const { question, rows, visual, tokens } of cases) {
        it(`${tokens.length} tokens behind ${rows} visual ones`, async () => {
          const data = Float32Array.from(visual);
          const shape: [number, number] = [rows, model.info.width];
          expect(await said(model as T5LanguageModel, { data, shape }, question, tokens.length)).to.deep.equal(tokens);
        });
      }
    });
  }
});

/** The tokens themselves: most ids of random weights are beyond the tokenizer's vocabulary, and spell nothing. */
async function said(
  model: T5LanguageModel,
  tokens: { data: Float32Array; shape: [number, number] },
  question: string,
  maxNewTokens: number,
): Promise<number[]> {
  const ids: number[] = [];
  const inside = model as unknown as { rules: { isEnd(token: number): boolean } };
  const isEnd = inside.rules.isEnd.bind(inside.rules);
  inside.rules.isEnd = (token) => {
    ids.push(token);
    return isEnd(token);
  };
  for await (const piece of model.generate(tokens, question, { maxNewTokens })) void piece;
  return ids;
}
