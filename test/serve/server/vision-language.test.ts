import { expect } from 'chai';
import type { FastifyInstance } from 'fastify';
import sharp from 'sharp';
import { QAViT, type RawImage, type VisualTokens } from '../../../lib';
import { Batcher, createServer } from '../../../lib/serve';
import {
  expectedLined,
  expectedLlava,
  expectedMerging,
  expectedPlaced,
  linedFolder,
  llavaFolder,
  llavaTensors,
  mergingFolder,
  NEW_TOKENS,
  placedFolder,
  placedTensors,
  tiledLines,
  tiledTensors,
  type AskedLlava,
} from '../../support/vision-language';
import { noiseImage } from '../../image/support';
import { post } from './requests';

async function imageUrl({ data, width, height }: RawImage): Promise<string> {
  const png = sharp(data, { raw: { width, height, channels: 3 } }).png();
  return `data:image/png;base64,${(await png.toBuffer()).toString('base64')}`;
}

describe('a vision-language model behind the server', function () {
  this.timeout(120_000);
  let model: QAViT;
  let app: FastifyInstance;
  let picture: { type: 'image_url'; image_url: { url: string } };

  before(async () => {
    picture = { type: 'image_url', image_url: { url: await imageUrl(llavaTensors('clip-llama').picture) } };
    model = await QAViT.load(llavaFolder('clip-llama'), { device: 'cpu', dtype: 'f32' });
    app = await createServer({ llava: model });
  });
  after(async () => {
    await app.close();
    await model.close();
  });

  const text = (words: string) => ({ type: 'text', text: words });
  async function ask(messages: object[]) {
    const payload = { model: 'llava', max_tokens: NEW_TOKENS, messages };
    const { statusCode, body } = await app.inject({ method: 'POST', url: '/v1/chat/completions', payload });
    return { status: statusCode, body: JSON.parse(body) as Answer & Refusal };
  }
  interface Answer {
    choices: { message: { content: string } }[];
  }
  interface Refusal {
    error: { code: string; message: string; param: string };
  }

  const conversation = ({ question, system, before }: AskedLlava): object[] => [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: [...(before === undefined ? [] : [text(before)]), picture, text(question)] },
  ];

  it('hears system messages and what is said before the picture, as transformers does', async () => {
    const { answers } = expectedLlava('clip-llama');
    expect(answers.some(({ system }) => system !== undefined)).to.equal(true);
    expect(answers.some(({ before }) => before !== undefined)).to.equal(true);
    for (const asked of answers) {
      const { status, body } = await ask(conversation(asked));
      expect(status, JSON.stringify(body)).to.equal(200);
      expect(body.choices[0]?.message.content).to.equal(asked.text);
    }
  });

  it('takes a text alone as the question, on either side of the picture', async () => {
    const plain = expectedLlava('clip-llama').answers.find(({ system, before }) => (system ?? before) === undefined)!;
    const { body } = await ask([{ role: 'user', content: [text(plain.question), picture] }]);
    expect(body.choices[0]?.message.content).to.equal(plain.text);
  });

  it('refuses what its template has no place for', async () => {
    const user = { role: 'user', content: [picture, text('what is it?')] };
    const refused: [string, object[]][] = [
      ['messages[1].role', [user, { role: 'system', content: 'late' }]],
      ['messages[0].content[0].image_url.url', [{ role: 'system', content: [picture] }, user]],
      ['messages[0].role', [{ role: 'assistant', content: 'hello' }, user]],
      ['messages[0].content[2].text', [{ role: 'user', content: [picture, text('one'), text('two')] }]],
      ['messages[1].content', [user, { role: 'user', content: 'and this?' }]],
    ];
    for (const [param, messages] of refused) {
      const { status, body } = await ask(messages);
      expect([status, body.error.code, body.error.param]).to.deep.equal([400, 'unsupported_conversation', param]);
    }
    const long = await ask([{ role: 'system', content: 'x'.repeat(100_000) }, user]);
    expect([long.status, long.body.error.code]).to.deep.equal([400, 'question_too_long']);
    const spelled = await ask([{ role: 'system', content: 'an <image> of' }, user]);
    expect(spelled.status).to.equal(400);
  });
});

const CUTTING = [
  {
    id: 'internvl',
    folder: mergingFolder('internvl'),
    pixels: tiledTensors('internvl'),
    expected: expectedMerging('internvl').tiled,
    said: { tiles: 6, visualTokens: 9 },
    grid: { rows: 2, columns: 3 },
    tokens: 7 * 9,
  },
  {
    id: 'llava-next',
    folder: linedFolder('llava-next'),
    pixels: tiledLines('llava-next'),
    expected: expectedLined('llava-next').tiled,
    said: { tiles: 4, visualTokens: 37 },
    grid: { rows: 2, columns: 2 },
    tokens: 140,
  },
] as const;

for (const { id, folder, pixels, expected, said, grid, tokens } of CUTTING) {
  describe(`a model that cuts pictures into tiles behind the server: ${id}`, function () {
    this.timeout(120_000);
    const { picture } = pixels;
    let model: QAViT;
    let app: FastifyInstance;
    let url: string;

    before(async () => {
      url = await imageUrl(picture);
      model = await QAViT.load(folder, { device: 'cpu', dtype: 'f32', tiles: said.tiles });
      app = await createServer({ [id]: model });
    });
    after(async () => {
      await app.close();
      await model.close();
    });

    it('says how many at most', async () => {
      const { qavit } = (await app.inject(`/v1/models/${id}`)).json<{ qavit: object }>();
      expect(qavit).to.include(said);
    });

    it("says transformers' answers", async () => {
      const [plain] = expected.answers;
      const content = [
        { type: 'image_url', image_url: { url } },
        { type: 'text', text: plain!.question },
      ];
      const messages = [{ role: 'user', content }];
      const asked = { model: id, max_tokens: NEW_TOKENS, messages };
      const replies = await Promise.all([1, 2, 3].map(() => post(app, '/v1/chat/completions', asked)));
      for (const { body } of replies) {
        expect(body.choices[0]?.message.content).to.equal(plain!.text);
        expect(body.usage.prompt_tokens).to.equal(plain!.ids.length - 1 + tokens);
      }
    });

    it('hands out visual tokens with the grid', async () => {
      const wanted = await model.encode(picture, null);
      const asked = { model: id, image: url, question: null };
      const { body } = await post(app, '/v1/visual-tokens', asked);
      expect(body).to.deep.include({ shape: [tokens, 32], tiles: grid, key: wanted.key });
      const payload = { ...asked, format: 'safetensors' };
      const file = await app.inject({ method: 'POST', url: '/v1/visual-tokens', payload });
      const cut = `${grid.rows}x${grid.columns}`;
      expect(file.headers).to.include({ 'x-qavit-shape': `${tokens},32`, 'x-qavit-tiles': cut });
      expect(file.rawPayload.toString('latin1')).to.include(`"tiles":"${cut}"`);
    });
  });
}

describe('a model whose language half hears where in the picture rows are, behind the server', function () {
  this.timeout(120_000);

  it("says transformers' answers, also from rows that it kept", async () => {
    const { picture } = placedTensors('published');
    const [plain] = expectedPlaced('published').answers;
    await using model = await QAViT.load(placedFolder('published'), { device: 'cpu', dtype: 'f32' });
    const app = await createServer({ qwen: model });
    const content = [
      { type: 'image_url', image_url: { url: await imageUrl(picture) } },
      { type: 'text', text: plain!.question },
    ];
    const asked = { model: 'qwen', max_tokens: NEW_TOKENS, messages: [{ role: 'user', content }] };
    for (let round = 0; round < 2; round++) {
      const replies = await Promise.all([1, 2, 3].map(() => post(app, '/v1/chat/completions', asked)));
      for (const { body } of replies) expect(body.choices[0]?.message.content).to.equal(plain!.text);
    }
    await app.close();
  });
});

describe('requests for the same tokens', () => {
  it('own what they get, the grid too', async () => {
    const { picture } = placedTensors('published');
    await using model = await QAViT.load({ tower: placedFolder('published') }, { device: 'cpu', dtype: 'f32' });
    await using batcher = new Batcher(model);
    const both = await Promise.all([1, 2].map(() => batcher.encode(picture, null)));
    const [one, other] = both.map(({ tokens }) => tokens) as [VisualTokens, VisualTokens];
    expect(other).to.deep.equal(one);
    Object.assign(one.grid!, { rows: 1 });
    one.data.fill(0);
    expect(other.grid).to.deep.equal({ rows: 10, columns: 4 });
    expect(other.data.every((value) => value === 0)).to.equal(false);
  });
});

describe('a model of pictures in their own shapes behind the server', function () {
  this.timeout(120_000);
  let model: QAViT;
  let app: FastifyInstance;
  before(async () => {
    const imageSize = { maxPatches: 40 };
    model = await QAViT.load({ tower: mergingFolder('smolvlm') }, { device: 'cpu', dtype: 'f32', imageSize });
    app = await createServer({ shaped: model });
  });
  after(async () => {
    await app.close();
    await model.close();
  });

  it('says of how many patches they are at most', async () => {
    const { qavit } = (await app.inject('/v1/models/shaped')).json<{ qavit: object }>();
    const resize = { kind: 'most-patches', patch: 8, patches: 10 };
    const image = { width: 24, height: 24, resize, crop: null };
    expect(qavit).to.deep.include({ image, maxPatches: 40, grid: { rows: 6, columns: 6 }, visualTokens: 10 });
  });

  it('hands out visual tokens with the grid of each', async () => {
    for (const [width, height, rows, columns] of [
      [40, 16, 4, 10],
      [16, 40, 10, 4],
    ] as const) {
      const picture = noiseImage(width, height);
      const wanted = await model.encode(picture, null);
      const asked = { model: 'shaped', image: await imageUrl(picture), question: null };
      const { body } = await post(app, '/v1/visual-tokens', asked);
      expect(body).to.deep.include({ shape: [10, 32], grid: { rows, columns }, key: wanted.key });
      const payload = { ...asked, format: 'safetensors' };
      const file = await app.inject({ method: 'POST', url: '/v1/visual-tokens', payload });
      expect(file.headers).to.include({ 'x-qavit-shape': '10,32', 'x-qavit-grid': `${rows}x${columns}` });
      expect(file.rawPayload.toString('latin1')).to.include(`"grid":"${rows}x${columns}"`);
    }
  });
});
