import { expect } from 'chai';
import path from 'node:path';
import type { LanguageModel } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { turnsDuring } from '../support/event-loop';
import { expectRejection } from '../support/expect-error';
import { temporaryFolder } from '../support/temporary';
import { collect, copyEndless, copyFolder, folderOf, FORMS, readExpected, someTokens, visualOf } from './support';

describe('language model answers', () => {
  const at = temporaryFolder();

  for (const form of FORMS) {
    describe(form, () => {
      const { cases, features } = readExpected(form);
      let model: LanguageModel;
      before(async () => {
        model = await loadLanguageModel(folderOf(form));
      });
      after(() => model.close());

      it('knows itself', () => {
        const t5 = form.startsWith('t5');
        expect(model.info).to.deep.equal({
          path: folderOf(form),
          kind: t5 ? 'encoder-decoder' : 'decoder-only',
          width: 32,
          questionWidth: 32,
          vocabularySize: t5 ? 56 : 300,
        });
      });

      for (const answer of cases.filter(({ prompt }) => prompt === '{question}')) {
        it(`writes PyTorch's answer to ${JSON.stringify(answer.question)} in pieces`, async () => {
          const pieces = await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 });
          expect(pieces.join('')).to.equal(answer.text);
          expect(pieces.length).to.be.within(3, answer.tokens.length);
          expect(pieces).to.not.include('');
        });
      }

      it('answers several questions at once', async () => {
        const asked = [...cases, ...cases].filter(({ prompt }) => prompt === '{question}');
        const answers = await Promise.all(
          asked.map((answer) => collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 })),
        );
        expect(answers.map((pieces) => pieces.join(''))).to.deep.equal(asked.map(({ text }) => text));
      });

      for (const { question, maxTokens, rows, embedding, encoder } of features) {
        it(`makes PyTorch's features of ${JSON.stringify(question)}`, async () => {
          for (const [kind, wanted] of Object.entries({ embedding, encoder })) {
            const how = { features: kind as 'embedding' | 'encoder', normalization: 'none' as const, maxTokens };
            const found = await model.encodeQuestion(question, how);
            expect(found.shape).to.deep.equal([rows, 32]);
            expect(found.data).to.be.instanceOf(Float32Array);
            found.data.forEach((value, i) => expect(value).to.be.closeTo(wanted[i]!, 1e-5));
          }
        });
      }
    });
  }

  describe('options', () => {
    let model: LanguageModel;
    const tokens = someTokens();
    const write = async (options: object, question = 'what shape?') =>
      (await collect(model, tokens, question, options)).join('');
    before(async () => {
      model = await loadLanguageModel(copyEndless(at('endless')));
    });
    after(() => model.close());

    it('end an answer after maxNewTokens, 30 unless told', async () => {
      const long = await write({ maxNewTokens: 60 });
      const [one, thirty] = [await write({ maxNewTokens: 1 }), await write({})];
      expect(thirty).to.equal(await write({ maxNewTokens: 30 }));
      expect(long.startsWith(thirty) && thirty.startsWith(one)).to.equal(true);
      expect(new Set([long.length, thirty.length, one.length]).size).to.equal(3);
    });

    it('draw among the topK likeliest tokens', async () => {
      expect(await write({ temperature: 2, topK: 1 })).to.equal(await write({}));
      expect(await write({ temperature: 2, topK: 2, seed: 5 })).to.not.equal(await write({ temperature: 2, seed: 5 }));
    });

    it('draw the same with the same seed', async () => {
      const drawn = (seed: number) => write({ temperature: 2, topP: 0.95, seed });
      expect(await drawn(5)).to.equal(await drawn(5));
      expect(new Set(await Promise.all([1, 2, 3, 4].map(drawn))).size).to.equal(4);
      expect(await write({ temperature: 2 })).to.not.equal(await write({ temperature: 2 }));
      expect(await write({ temperature: 0, seed: 1 })).to.equal(await write({ seed: 2 }));
    });

    it('read the question as they say', async () => {
      const plain = await write({}, 'what is on the red');
      expect(await write({}, '(WHAT is: on the red!)')).to.not.equal(plain);
      expect(await write({ question: { normalization: 'qa-vit' } }, '(WHAT is: on the red!)')).to.equal(plain);
      const cut = { question: { maxTokens: 4 } };
      expect(await write(cut, 'what is on the red')).to.equal(await write(cut, 'what is on the blue'));
    });

    it('allow a question without a word', async () => {
      expect(await write({}, '')).to.not.equal('');
    });

    it('do not let a caller change an answer under way', async () => {
      const mine = someTokens();
      const pieces: string[] = [];
      for await (const piece of model.generate(mine, 'what shape?', {})) {
        mine.data.fill(0);
        pieces.push(piece);
      }
      expect(pieces.join('')).to.equal(await write({}));
      expect(mine.data.length).to.equal(96);
    });
  });

  describe('prompts', () => {
    const { cases } = readExpected('llama-tiny');
    const templated = cases.filter(({ prompt }) => prompt !== '{question}');
    const fields = (prompt_template: string) => ({ 'config.json': { prompt_template } });
    let model: LanguageModel;
    before(async () => {
      model = await loadLanguageModel(copyFolder('llama-tiny', at('prompt'), fields(templated[0]!.prompt)));
    });
    after(() => model.close());

    for (const answer of templated) {
      it(`put ${answer.rows} visual tokens in the image token's place, as PyTorch`, async () => {
        const pieces = await collect(model, visualOf(answer), answer.question, { maxNewTokens: 24 });
        expect(pieces.join('')).to.equal(answer.text);
      });
    }

    it('cut the question and nothing else', async () => {
      const question = { maxTokens: 7 };
      const write = (text: string) => collect(model, someTokens(), text, { question, maxNewTokens: 12 });
      expect(await write('what digit is on the red square?')).to.deep.equal(await write('what digit is on the star?'));
      expect(await write('what digit is on the red square?')).to.not.deep.equal(await write('is there a star?'));
    });

    it('do not let a question bring the image token', async () => {
      const pieces = collect(model, someTokens(), 'is there an <image> in it?');
      await expectRejection(pieces, 'ERR_ARGUMENT', /^Expected a text without <image> for the question/);
    });
  });

  it('ends where the positions of the model end', async () => {
    // max_position_embeddings is 128.
    const model = await loadLanguageModel(
      copyFolder('llama-tiny', at('llama'), { 'generation_config.json': { eos_token_id: [] } }),
    );
    const tokenizer = await TextTokenizer.load(path.join(folderOf('llama-tiny'), 'tokenizer.json'));
    const { length: ids } = await tokenizer.encode('what digit is');
    const full = collect(model, someTokens(128 - ids), 'what digit is', {});
    await expectRejection(full, 'ERR_ARGUMENT', /^Expected fewer than 128 .* received 128$/);
    const answer = model.generate(someTokens(127 - ids), 'what digit is', { maxNewTokens: 5 });
    let step = await answer.next();
    while (!step.done) step = await answer.next();
    expect(step.value).to.deep.equal({ finish: 'length', promptTokens: 127, answerTokens: 1 });
    const pieces = await collect(model, someTokens(60), 'what digit is', {
      maxNewTokens: 1000,
      temperature: 1,
      seed: 1,
    });
    expect(pieces.length).to.be.within(20, 64);
    await model.close();
  });

  it('knows the positions of GPT-2 and its like by their own name', async () => {
    const config = { max_position_embeddings: undefined, n_positions: 40 };
    const model = await loadLanguageModel(copyFolder('llama-tiny', at('gpt2'), { 'config.json': config }));
    const full = collect(model, someTokens(40), 'what digit is', {});
    await expectRejection(full, 'ERR_ARGUMENT', /^Expected fewer than 40 /);
    await model.close();
  });

  it('leaves the event loop alone while it computes', async () => {
    const model = await loadLanguageModel(folderOf('t5-tiny'));
    // The encoder looks from each of 3,000 tokens at each.
    const first = collect(model, someTokens(3000), 'what shape?', { maxNewTokens: 1 });
    expect(await turnsDuring(first)).to.be.greaterThan(30);
    await model.close();
  });

  it('lets answers under way take turns', async () => {
    const model = await loadLanguageModel(copyEndless(at('turns')));
    const counts = [0, 0];
    const options = { maxNewTokens: 400, temperature: 1, seed: 1 };
    const leads: number[] = [];
    await Promise.all(
      counts.map(async (_, i) => {
        for await (const piece of model.generate(someTokens(), 'what shape?', options)) {
          counts[i]! += piece.length > 0 ? 1 : 0;
          if (counts[0]! >= 50 && counts[1]! >= 50) leads.push(Math.abs(counts[0]! - counts[1]!));
        }
      }),
    );
    // Both say the same, so that pieces in turns are as many for each; arrival in batches moves them a little.
    expect(leads.length).to.be.greaterThan(200);
    expect(Math.max(...leads)).to.be.lessThan(50);
    await model.close();
  });
});
