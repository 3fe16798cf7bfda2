/** A question-aware tower here, the language model on a server. */
import { expect } from 'chai';
import { cpSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { mock } from 'node:test';
import sharp from 'sharp';
import { type ModelFolders, QAViT } from '../../../lib';
import { cacheKey, type ImageGridEmbedsPart, openVllm, type VllmServer } from '../../../lib/vllm';
import { TextRows } from '../../../lib/llm/text-rows';
import { TensorFolder } from '../../../lib/weights';
import { runCli } from '../../cli/run-cli';
import { toBf16 } from '../../support/bf16';
import { expectRejection } from '../../support/expect-error';
import { FakeVllm, refuse } from '../../support/fake-vllm';
import { fixture } from '../../support/paths';
import { noise } from '../../support/pictures';
import { writeJson, writeRandomModel } from '../../support/random-model';
import { floats, random } from '../../support/random';
import { f32, writeSafetensors } from '../../support/safetensors-writer';
import { temporaryFolder } from '../../support/temporary';
import { placedFolder, placedTensors } from '../../support/vision-language';
import { savedTensor } from '../../support/torch-tensor';

const image = noise(32);
const QUESTION = 'What digit is on the red square?';
const bytesOf = (numbers: Float32Array) => Buffer.from(toBf16(numbers).buffer);

describe('a tower in front of vLLM', () => {
  const at = temporaryFolder();
  let server: FakeVllm;
  let parts: { tower: string; adapter: string };
  /** The server's model as it would be published, without what computes. */
  let text: string;

  before(async () => {
    server = await FakeVllm.start();
    parts = writeRandomModel(at('model'), { questionWidth: 32, languageWidth: 32, adapterConfig: reading('encoder') });
    text = at('llama');
    mkdirSync(text);
    const published = fixture('language', 'llama-tiny');
    for (const name of ['tokenizer.json', 'config.json']) cpSync(path.join(published, name), path.join(text, name));
    const table = f32([300, 32], floats(random(9), 300 * 32));
    writeSafetensors(path.join(text, 'model.safetensors'), { 'model.embed_tokens.weight': table });
    await sharp(image.data, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toFile(at('picture.png'));
  });
  after(() => server.close());

  const reading = (features: 'encoder' | 'embedding') => ({
    question: { features, normalization: 'none', max_tokens: 16 },
  });
  const language = () => `${server.url}#tiny`;
  const answer = async (model: QAViT, question = QUESTION) => {
    let said = '';
    for await (const piece of model.ask(image, question)) said += piece;
    return said;
  };
  const picture = () => {
    const { messages } = server.last.body as { messages: { content: Record<string, string>[] }[] };
    return messages[0]!.content[0]!;
  };
  const tensor = (base64 = '') => savedTensor(Buffer.from(base64, 'base64'));

  it('hands over tokens that the question has shaped, under a key of picture, question and weights', async () => {
    const questions = fixture('language', 't5-tiny');
    await using model = await QAViT.load({ ...parts, language: language(), questions });
    expect(model.info.language).to.deep.include({ path: language(), width: 32, questionWidth: null });
    expect(await answer(model)).to.equal('a red square');
    const tokens = await model.encode(image, QUESTION);
    const sent = picture();
    expect(tensor(sent.image_embeds).bytes.equals(bytesOf(tokens.data))).to.equal(true);
    expect(sent.uuid).to.equal(cacheKey(tokens));
    await answer(model, 'How many?');
    expect(picture().uuid).to.not.equal(sent.uuid);
    expect(picture().image_embeds).to.not.equal(sent.image_embeds);
  });

  it('says of which grid of patches the tokens of a Qwen2-VL are', async () => {
    const wide = placedTensors('qwen2_vl').picture;
    const tower = placedFolder('qwen2_vl');
    const asked = async (settings: Partial<VllmServer>) => {
      const language: VllmServer = { url: server.url, model: 'tiny', ...settings };
      await using model = await QAViT.load({ tower, language }, { device: 'cpu' });
      for await (const piece of model.ask(wide, QUESTION)) expect(piece).to.not.equal(undefined);
      return { tokens: await model.encode(wide, null), sent: picture() as unknown as ImageGridEmbedsPart };
    };
    const { tokens, sent } = await asked({});
    expect(tensor(sent.image_embeds.image_embeds).bytes.equals(bytesOf(tokens.data))).to.equal(true);
    const grid = tensor(sent.image_embeds.image_grid_thw);
    expect([0, 8, 16].map((at) => Number(grid.bytes.readBigInt64LE(at)))).to.deep.equal([1, 6, 10]);
    expect(sent.uuid).to.equal(cacheKey(tokens));
    expect((await asked({ grid: false })).sent.image_embeds).to.be.a('string');
    const other = await openVllm({ url: server.url, model: 'tiny', grid: true }, { width: 32 });
    const untold = other.generate({ ...tokens, grid: undefined }, QUESTION).next();
    await expectRejection(untold, 'ERR_ARGUMENT', /the grid of the picture's patches for the visual tokens for .*tiny/);
    await other.close();
  });

  it('takes the whole prompt as rows, and reads questions by the same table', async () => {
    const { tower, adapter } = writeRandomModel(at('rows'), {
      questionWidth: 32,
      languageWidth: 32,
      adapterConfig: reading('embedding'),
    });
    const settings = { url: server.url, model: 'tiny', input: 'completions', text } as const;
    await using model = await QAViT.load({ tower, adapter, language: settings });
    expect(model.info.language).to.deep.include({ questionWidth: 32, vocabularySize: 300 });
    expect(await answer(model)).to.equal('a red square');
    const { path: endpoint, body } = server.last;
    expect(endpoint).to.equal('/v1/completions');
    const { prompt_embeds: sent, ...rest } = body;
    expect(rest).to.deep.equal({
      model: 'tiny',
      prompt: '',
      max_tokens: 30,
      temperature: 0,
      top_k: -1,
      top_p: 1,
      stream: true,
    });
    const rows = await TextRows.open(text);
    const tokens = await model.encode(image, QUESTION);
    const wanted = await rows.promptRows(tokens, { text: QUESTION, maxTokens: 16 });
    const { bytes, shape } = tensor(sent as string);
    expect(shape).to.deep.equal(wanted.shape);
    expect(bytes.equals(bytesOf(wanted.data))).to.equal(true);
    await rows.close();
  });

  it('takes the rows as they are when it is asked', async () => {
    const settings = { url: server.url, model: 'tiny', input: 'completions', text } as const;
    const language = await openVllm(settings);
    const sent = async (change: (data: Float32Array) => void) => {
      const data = floats(random(4), 3 * 32);
      const first = language.generate({ data, shape: [3, 32] }, QUESTION).next();
      change(data);
      await first;
      return server.last.body.prompt_embeds;
    };
    expect(await sent((data) => data.fill(0))).to.equal(await sent(() => undefined));
    await language.close();
  });

  it('leaves no file open where its rows have another width', async () => {
    const close = mock.method(TensorFolder.prototype, 'close');
    try {
      const settings = { url: server.url, model: 'tiny', text };
      await expectRejection(openVllm(settings, { width: 40 }), 'ERR_SHAPE', /rows of 40 numbers .* received 32$/);
      expect(close.mock.callCount()).to.equal(1);
    } finally {
      close.mock.restore();
    }
  });

  it('needs no questions without an adapter', async () => {
    const { tower } = writeRandomModel(at('alone'), { width: 32 });
    await using model = await QAViT.load({ tower, language: language() });
    expect(await answer(model)).to.equal('a red square');
  });

  it('takes features where nothing reads words, and says so', async () => {
    await using model = await QAViT.load({ ...parts, language: language() });
    const features = { data: floats(random(2), 3 * 32), shape: [3, 32] as [number, number] };
    expect((await model.encode(image, features)).shape).to.deep.equal([17, 32]);
    const sent = server.received.length;
    const message = /question features .* or a folder that reads questions beside the server \(`questions`\)/;
    await expectRejection(answer(model), 'ERR_ARGUMENT', message);
    await expectRejection(model.encode(image, 'what?'), 'ERR_ARGUMENT', message);
    expect(server.received).to.have.length(sent);
  });

  it('refuses parts that do not belong together', async () => {
    const load = (more: Partial<ModelFolders>) => QAViT.load({ ...parts, language: language(), ...more });
    const narrow = writeRandomModel(at('narrow'), { questionWidth: 24, languageWidth: 32 });
    const questions = fixture('language', 't5-tiny');
    await expectRejection(load({ ...narrow, questions }), 'ERR_SHAPE', /Dq = 24, as the adapter takes,.* received 32$/);
    const wide = writeRandomModel(at('wide'), { questionWidth: 32, languageWidth: 40 });
    const settings = { url: server.url, model: 'tiny', text };
    await expectRejection(load({ ...wide, language: settings }), 'ERR_SHAPE', /rows of 40 numbers .* received 32$/);
    await expectRejection(load({ language: 'http://host/v1' }), 'ERR_ARGUMENT', /model's name behind #/);
    await expectRejection(
      load({ questions: at('nowhere') }),
      'ERR_ARGUMENT',
      /a folder, or org\/name at a hub, for questions/,
    );
    await expectRejection(
      load({ questions: language() }),
      'ERR_ARGUMENT',
      /a folder, or org\/name at a hub, for questions/,
    );
  });

  it('is named by those who load it, never by a folder that came from somewhere', async () => {
    const folder = at('downloaded');
    mkdirSync(folder);
    cpSync(parts.tower, path.join(folder, 'tower'), { recursive: true });
    writeJson(path.join(folder, 'config.json'), { model_type: 'qavit', tower: 'tower', language: language() });
    await expectRejection(QAViT.load(folder), 'ERR_FORMAT', /the name of a folder in it for language/);
  });

  it('says what the server says', async () => {
    const busy = await FakeVllm.start((_, response) => refuse(response, 400, 'You must set `--enable-mm-embeds`'));
    const { tower } = writeRandomModel(at('refused'), { width: 32 });
    await using model = await QAViT.load({ tower, language: `${busy.url}#tiny` });
    await expectRejection(answer(model), 'ERR_ARGUMENT', /400 Bad Request: "You must set `--enable-mm-embeds`"$/);
    await busy.close();
  });

  describe('on the command line', () => {
    const ask = (...more: string[]) => {
      const folders = ['--tower', parts.tower, '--adapter', parts.adapter];
      return runCli(['ask', at('picture.png'), QUESTION, ...folders, '--device', 'cpu', ...more]);
    };

    it('answers', async () => {
      const { code, stdout, stderr } = await ask(
        '--language',
        language(),
        '--questions',
        fixture('language', 't5-tiny'),
      );
      expect(stderr).to.equal('');
      expect(stdout).to.equal('a red square\n');
      expect(code).to.equal(0);
      const more = ['--language-input', 'completions', '--language-text', text];
      expect(
        (await ask('--language', language(), '--questions', fixture('language', 't5-tiny'), ...more)).stdout,
      ).to.equal('a red square\n');
      expect(server.last.path).to.equal('/v1/completions');
    });

    it('says what is missing and what is wrong', async () => {
      const t5 = fixture('language', 't5-tiny');
      const cases: [string[], number, RegExp][] = [
        [['--language', server.url, '--questions', t5], 1, /model's name behind #/],
        [['--language', language()], 1, /a folder that reads questions beside the server/],
        [['--language', t5, '--language-input', 'completions'], 2, /a server as --language for --language-input/],
        [['--language', language(), '--language-text', at('nowhere')], 1, /a folder for --language-text/],
        [['--language', `http://127.0.0.1:1/v1#a`, '--questions', t5], 1, /hint: docs\/runtimes.md/],
      ];
      for (const [more, wanted, message] of cases) {
        const { code, stderr } = await ask(...more);
        expect(stderr, more.join(' ')).to.match(message);
        expect(code).to.equal(wanted);
      }
      const { stdout } = await runCli([
        'info',
        '--tower',
        parts.tower,
        '--adapter',
        parts.adapter,
        '--language',
        language(),
      ]);
      expect(stdout)
        .to.match(/language +http:.*#tiny/)
        .and.match(/ask +nothing that reads questions .* --questions <folder>/);
    });
  });
});
