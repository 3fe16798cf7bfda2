/** Models that hand over the visual tokens alone which their adapter rates highest. */
import { expect } from 'chai';
import {
  type AnswerEnd,
  type BatchItem,
  type LoadOptions,
  QAViT,
  type QuestionInput,
  type VisualTokens,
} from '../../lib';
import { bestRated, takeRows } from '../../lib/qavit/token-selection';
import { Batcher, createServer } from '../../lib/serve';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { features, noise } from '../support/pictures';
import { floats, random } from '../support/random';
import { type RandomModelOptions, withSelector, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const image = noise(32);
const WIDTH = 24;
const QUESTIONS = [features(5, WIDTH, 1), features(9, WIDTH, 2), features(2, WIDTH, 3)];

describe('token selection', () => {
  describe('of ratings', () => {
    it('takes the highest, in their order, of equals the first', () => {
      const ratings = Float32Array.of(3, -1, 7, 3, 7, -5, 3);
      const kept = (count: number): number[] => [...bestRated(ratings, count)];
      expect([1, 2, 3, 4, 5, 6, 7].map(kept)).to.deep.equal([
        [2],
        [2, 4],
        [0, 2, 4],
        [0, 2, 3, 4],
        [0, 2, 3, 4, 6],
        [0, 1, 2, 3, 4, 6],
        [0, 1, 2, 3, 4, 5, 6],
      ]);
    });

    it('counts beyond nine as numbers, not as text', () => {
      const ratings = Float32Array.from({ length: 300 }, (_, i) => i % 150);
      expect([...bestRated(ratings, 5)]).to.deep.equal([147, 148, 149, 298, 299]);
    });

    it('copies rows', () => {
      const data = Float32Array.from({ length: 12 }, (_, i) => i);
      expect([...takeRows(data, Uint32Array.of(0, 3), 3)]).to.deep.equal([0, 1, 2, 9, 10, 11]);
    });
  });

  describe('of a model', () => {
    const at = temporaryFolder();
    const folders = (options: RandomModelOptions = {}) =>
      writeRandomModel(at('model'), { adapter: withSelector, ...options });
    const load = (options: LoadOptions, model?: RandomModelOptions) =>
      QAViT.load(folders(model), { device: 'cpu', dtype: 'f32', ...options });
    const selector = floats(random(77), 32);

    /** By plain loops in f64, from all tokens of the tower. */
    function expected({ data, shape: [rows, width] }: VisualTokens, count: number): number[] {
      const rating = Array.from({ length: rows }, (_, row) =>
        selector.reduce((sum, weight, i) => sum + weight * data[row * width + i]!, 0),
      );
      const order = [...rating.keys()].sort((a, b) => rating[b]! - rating[a]!);
      return order.slice(0, count).sort((a, b) => a - b);
    }

    function rowsOf({ data, shape: [, width] }: VisualTokens, rows: readonly number[]): number[] {
      return rows.flatMap((row) => [...data.subarray(row * width, (row + 1) * width)]);
    }

    for (const [what, options] of [
      ['all of them', {}],
      ['the patches', { keepClass: false }],
      ['an earlier state’s', { hiddenLayer: -2 }],
      ['the reference’s', { device: 'reference' }],
    ] as const) {
      it(`keeps those rated highest, and of them the very numbers: ${what}`, async () => {
        await using all = await load(options);
        await using few = await load({ ...options, visualTokens: 5 });
        expect([few.info.N, few.info.M]).to.deep.equal([5, all.info.M]);
        for (const question of [...QUESTIONS, null]) {
          const wanted = expected(await all.encode(image, question, { output: 'tower' }), 5);
          for (const output of ['tower', 'projected'] as const) {
            const whole = await all.encode(image, question, { output });
            const tokens = await few.encode(image, question, { output });
            expect([...tokens.kept!]).to.deep.equal(wanted);
            expect(tokens.shape).to.deep.equal([5, whole.shape[1]]);
            expect([...tokens.data]).to.deep.equal(rowsOf(whole, wanted));
            expect(tokens.key).not.to.equal(whole.key);
            expect(whole.kept).to.equal(undefined);
          }
        }
      });
    }

    it('depends on the question', async () => {
      await using model = await load({ visualTokens: 5 });
      const kept = await Promise.all(QUESTIONS.map((question) => model.encode(image, question)));
      expect(new Set(kept.map((tokens) => tokens.kept!.join())).size).to.be.greaterThan(1);
    });

    it('gives in batches what it gives one by one, also in bf16 and int8', async () => {
      for (const dtype of ['f32', 'bf16', 'int8'] as const) {
        await using model = await load({ visualTokens: 4, dtype });
        const pictures = [image, noise(32, 2)];
        const items: BatchItem[] = [...QUESTIONS, null].flatMap((question) =>
          pictures.map((picture) => ({ image: picture, question })),
        );
        const batch = await model.encodeBatch(items);
        for (const [i, { image: picture, question }] of items.entries()) {
          expect(batch[i], `${dtype} ${i}`).to.deep.equal(await model.encode(picture, question));
        }
        using seen = await model.look(image);
        expect(await model.encode(seen, QUESTIONS[0]!)).to.deep.equal(await model.encode(image, QUESTIONS[0]!));
      }
    });

    it('is asked for call by call, too, whatever was said at load', async () => {
      const question = QUESTIONS[0]!;
      await using all = await load({});
      await using few = await load({ visualTokens: 5 });
      const [whole, five] = [await all.encode(image, question), await few.encode(image, question)];
      expect(await all.encode(image, question, { visualTokens: 5 })).to.deep.equal(five);
      expect(await few.encode(image, question, { visualTokens: 'all' })).to.deep.equal(whole);
      const pairs = ([undefined, 'all', 5, 2] as const).map((visualTokens) => ({ image, question, visualTokens }));
      const [two, everything, fiveOfPair, twoOfPair] = await few.encodeBatch(pairs, { visualTokens: 2 });
      expect([two!.shape, two!.kept!.length]).to.deep.equal([[2, 20], 2]);
      expect([everything, fiveOfPair, twoOfPair]).to.deep.equal([whole, five, two]);
      expect(new Set([whole, five, two!].map(({ key }) => key)).size).to.equal(3);
      const refused = (visualTokens: number) =>
        expectRejection(all.encode(image, question, { visualTokens }), 'ERR_ARGUMENT', /visualTokens/);
      for (const count of [0, 18, 2.5]) await refused(count);
      const second = [
        { image, question, visualTokens: 3 },
        { image, question, visualTokens: 18 },
      ];
      await expectRejection(
        all.encodeBatch(second),
        'ERR_ARGUMENT',
        /at most 17, .* option visualTokens of items\[1\]/,
      );
      await expectRejection(all.encodeBatch([], { visualTokens: 18 }), 'ERR_ARGUMENT', /visualTokens of encodeBatch/);
      await using plain = await QAViT.load(writeRandomModel(at('plain')), { device: 'cpu', dtype: 'f32' });
      await expectRejection(plain.encode(image, question, { visualTokens: 2 }), 'ERR_ARGUMENT', /token selector/);
      expect((await plain.encode(image, question, { visualTokens: 'all' })).kept).to.equal(undefined);
    });

    it('of as many as there are is all of them', async () => {
      await using all = await load({});
      await using same = await load({ visualTokens: 17 });
      const [whole, tokens] = [await all.encode(image, QUESTIONS[0]!), await same.encode(image, QUESTIONS[0]!)];
      expect([...tokens.kept!]).to.deep.equal([...Array(17).keys()]);
      expect(tokens.data).to.deep.equal(whole.data);
    });

    it('rates the tokens that attend tells of', async () => {
      for (const options of [{}, { keepClass: false }, { device: 'reference' }] as const) {
        await using model = await load({ ...options, visualTokens: 3 });
        for (const question of QUESTIONS) {
          const { ratings } = await model.attend(image, question);
          const tower = await model.encode(image, question, { output: 'tower', visualTokens: 'all' });
          const [rows, width] = tower.shape;
          expect(ratings).to.have.length(rows);
          for (const [row, rating] of ratings!.entries()) {
            const wanted = selector.reduce((sum, weight, i) => sum + weight * tower.data[row * width + i]!, 0);
            expect(rating).to.be.closeTo(wanted, 1e-4);
          }
          const { kept } = await model.encode(image, question);
          expect([...bestRated(ratings!, 3)]).to.deep.equal([...kept!]);
        }
      }
    });

    it('leaves maps and models that do not select as they were', async () => {
      await using plain = await QAViT.load(writeRandomModel(at('plain')), { device: 'cpu', dtype: 'f32' });
      await using few = await load({ visualTokens: 3 });
      expect([plain.info.selectsTokens, few.info.selectsTokens]).to.deep.equal([false, true]);
      const question: QuestionInput = QUESTIONS[1]!;
      const { ratings, ...maps } = await few.attend(image, question);
      expect(ratings).to.have.length(17);
      expect(maps).to.deep.equal(await plain.attend(image, question));
      await using all = await load({});
      expect((await all.encode(image, question)).data).to.deep.equal((await plain.encode(image, question)).data);
    });

    it('lets a language model read fewer rows', async () => {
      const widths = { questionWidth: 32, languageWidth: 32 };
      const model = { ...folders(widths), language: fixture('language', 't5-gated') };
      const rows = async (options: LoadOptions, visualTokens?: number | 'all'): Promise<number[]> => {
        await using opened = await QAViT.load(model, { device: 'cpu', ...options });
        await using batcher = new Batcher(opened);
        const asked = { maxNewTokens: 3, ...(visualTokens && { visualTokens }) };
        const answers = [opened.ask(image, 'what?', asked), batcher.ask(await png(), 'what?', asked)];
        return await Promise.all(answers.map(promptTokens));
      };
      const [all, few] = [await rows({}), await rows({ visualTokens: 4 })];
      expect(all.map((count, i) => count - few[i]!)).to.deep.equal([13, 13]);
      expect([await rows({}, 4), await rows({ visualTokens: 9 }, 4)]).to.deep.equal([few, few]);
      expect(await rows({ visualTokens: 4 }, 'all')).to.deep.equal(all);
      await expectRejection(rows({}, 18), 'ERR_ARGUMENT', /at most 17, .* option visualTokens of ask/);
    });

    it('puts requests for different numbers into one batch', async () => {
      const model = { ...folders({ questionWidth: 32, languageWidth: 32 }), language: fixture('language', 't5-gated') };
      await using opened = await QAViT.load(model, { device: 'cpu' });
      const batches: number[] = [];
      await using batcher = new Batcher(opened, { observer: { batch: (size) => batches.push(size) } });
      const picture = await png();
      const counts = [3, 'all', 5, 3, undefined] as const;
      const replies = await Promise.all(
        counts.map((visualTokens) => batcher.encode(picture, 'what?', { ...(visualTokens && { visualTokens }) })),
      );
      for (const [i, visualTokens] of counts.entries()) {
        const alone = await opened.encode(picture, 'what?', { ...(visualTokens && { visualTokens }) });
        expect(replies[i]!.tokens, String(visualTokens)).to.deep.equal(alone);
      }
      expect(batches).to.deep.equal([4]); // the two that want 3 are one
      await expectRejection(batcher.encode(picture, 'what?', { visualTokens: 18 }), 'ERR_ARGUMENT', /Batcher\.encode/);
    });

    describe('behind a server', () => {
      let few: QAViT;
      let app: Awaited<ReturnType<typeof createServer>>;
      let picture: string;
      before(async () => {
        const model = {
          ...folders({ questionWidth: 32, languageWidth: 32 }),
          language: fixture('language', 't5-gated'),
        };
        few = await QAViT.load(model, { device: 'cpu', visualTokens: 4 });
        app = await createServer({ few });
        picture = `data:image/png;base64,${(await png()).toString('base64')}`;
      });
      after(async () => {
        await app.close();
        await few.close();
      });
      const post = (url: string, payload: object) =>
        app.inject({ method: 'POST', url, payload: { model: 'few', ...payload } });
      const tokens = (more: object = {}) => post('/v1/visual-tokens', { image: picture, question: 'what?', ...more });
      const chat = (qavit: object) => {
        const content = [
          { type: 'text', text: 'what?' },
          { type: 'image_url', image_url: { url: picture } },
        ];
        return post('/v1/chat/completions', { messages: [{ role: 'user', content }], max_tokens: 2, qavit });
      };

      it('is told which tokens they are', async () => {
        const json = (await tokens()).json<{ shape: number[]; kept: number[] }>();
        const own = await few.encode(await png(), 'what?');
        expect([json.shape, json.kept]).to.deep.equal([[4, 32], [...own.kept!]]);
        const file = await tokens({ format: 'safetensors' });
        expect(file.rawPayload.toString('latin1')).to.include(`"kept":"${own.kept!.join()}"`);
      });

      it('can ask for another number', async () => {
        const shape = async (visual_tokens: number | 'all') =>
          (await tokens({ visual_tokens })).json<{ shape: number[] }>().shape;
        expect([await shape(2), await shape('all')]).to.deep.equal([
          [2, 32],
          [17, 32],
        ]);
        const rows = async (qavit: object) =>
          (await chat(qavit)).json<{ usage: { prompt_tokens: number } }>().usage.prompt_tokens;
        const asLoaded = await rows({});
        expect(await rows({ visual_tokens: 1 })).to.equal(asLoaded - 3);
        expect(await rows({ visual_tokens: 'all' })).to.equal(asLoaded + 13);
      });

      it('is told the ratings, and what can be asked for', async () => {
        const maps = await post('/v1/attend', { image: picture, question: 'what?' });
        const { ratings } = await few.attend(await png(), 'what?');
        expect(maps.json<{ ratings: number[] }>().ratings).to.deep.equal([...ratings!]);
        const about = (await app.inject('/v1/models/few')).json<{ qavit: object }>().qavit;
        expect(about).to.include({ visualTokens: 4, allTokens: 17, selectsTokens: true });
      });

      it('is refused what cannot be selected, with the field', async () => {
        const problem = async (reply: Promise<{ statusCode: number; json: <T>() => T }>) => {
          const { statusCode, json } = await reply;
          const { error } = json<{ error: { message: string; param: string } }>();
          return [statusCode, error.param, error.message];
        };
        const most = 'Expected at most 17 visual tokens, all there are';
        expect(await problem(tokens({ visual_tokens: 18 }))).to.deep.equal([400, 'visual_tokens', most]);
        expect(await problem(chat({ visual_tokens: 18 }))).to.deep.equal([400, 'qavit.visual_tokens', most]);
        for (const visual_tokens of [0, 1.5, 'some', null]) {
          expect((await problem(tokens({ visual_tokens })))[0], String(visual_tokens)).to.equal(400);
        }
        await using plain = await QAViT.load({ ...writeRandomModel(at('plain')) }, { device: 'cpu' });
        const other = await createServer({ plain });
        const payload = { model: 'plain', image: picture, question: null, visual_tokens: 3 };
        const refused = other.inject({ method: 'POST', url: '/v1/visual-tokens', payload });
        const message = 'Expected a model whose adapter has a token selector (plain has none)';
        expect(await problem(refused)).to.deep.equal([501, 'visual_tokens', message]);
        await other.close();
      });
    });

    it('is made among numbers alone', async () => {
      // The tokens that are kept may be finite where others are not.
      await using model = await load({ visualTokens: 1 });
      const huge = { data: new Float32Array(3 * WIDTH).fill(3e38), shape: [3, WIDTH] as [number, number] };
      await expectRejection(model.encode(image, huge), 'ERR_ARGUMENT', /^Expected finite visual tokens for encode /);
    });

    it('refuses what cannot be selected', async () => {
      const refused = (options: LoadOptions, message: RegExp, model: RandomModelOptions = {}) =>
        expectRejection(load(options, model), 'ERR_ARGUMENT', message);
      await refused(
        { visualTokens: 18 },
        /at most 17, all visual tokens, for option visualTokens of QAViT\.load but received 18$/,
      );
      await refused({ visualTokens: 17, keepClass: false }, /at most 16, /);
      for (const visualTokens of [0, 1.5, -3, NaN]) await refused({ visualTokens }, /visualTokens/);
      const without =
        /a token selector \(token_selector\.weight\) for option visualTokens of QAViT\.load but received a model without$/;
      await refused({ visualTokens: 3 }, without, { adapter: () => undefined });
      const tower = QAViT.load({ tower: folders().tower }, { visualTokens: 3 });
      await expectRejection(tower, 'ERR_ARGUMENT', without);
    });

    it('refuses a selector of another width', async () => {
      const adapter: RandomModelOptions['adapter'] = (tensors) => {
        withSelector(tensors);
        tensors['token_selector.weight'] = { ...tensors['token_selector.weight']!, shape: [2, 16] };
      };
      await expectRejection(load({}, { adapter }), 'ERR_SHAPE', /\[1, 32\] for .*token_selector\.weight.*\[2, 16\]/);
    });
  });
});

/** Rows that the language model read. */
async function promptTokens(answer: AsyncGenerator<string, Partial<AnswerEnd> | void, void>): Promise<number> {
  let next = await answer.next();
  while (!next.done) next = await answer.next();
  return next.value!.promptTokens!;
}

async function png(): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  const { data, width, height, channels } = image;
  return sharp(data, { raw: { width, height, channels } }).png().toBuffer();
}
