import { expect } from 'chai';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { type DownloadProgress, QAViT } from '../../lib';
import { runCli } from '../cli/run-cli';
import { expectRejection } from '../support/expect-error';
import { fixture, root } from '../support/paths';
import { floats, random } from '../support/random';
import { writeJson, writeRandomModel } from '../support/random-model';
import { f32, writeSafetensors } from '../support/safetensors-writer';
import { filesOf, hubAndCache } from './support';

const PICTURE = path.join(root, 'models', 'demo', 'samples', 'shapes.png');

describe('QAViT.load of models at a hub', () => {
  const { at, hub, cache } = hubAndCache();
  let folders: { tower: string; adapter: string };
  const before = { ...process.env };
  const home = process.cwd();

  beforeEach(() => {
    process.env.HF_ENDPOINT = hub().endpoint;
    process.env.HF_HUB_CACHE = cache();
    folders = writeRandomModel(at('model'));
    hub().add('acme/tower', filesOf(folders.tower));
    hub().add('acme/adapter', filesOf(folders.adapter));
    rmSync(at('empty'), { recursive: true, force: true });
    mkdirSync(at('empty'));
    process.chdir(at('empty'));
  });
  afterEach(() => {
    process.chdir(home);
    for (const name of ['HF_ENDPOINT', 'HF_HUB_CACHE', 'HF_HUB_OFFLINE']) {
      if (before[name] === undefined) delete process.env[name];
      else process.env[name] = before[name];
    }
  });

  const pixels = { data: new Uint8Array(32 * 32 * 3).fill(77), width: 32, height: 32, channels: 3 } as const;
  const question = { data: new Float32Array(3 * 24).fill(0.5), shape: [3, 24] as [number, number] };

  it('takes towers and adapters by name, and gives what their folders give', async () => {
    const progress: DownloadProgress[] = [];
    await using local = await QAViT.load(folders);
    await using remote = await QAViT.load(
      { tower: 'acme/tower', adapter: 'hf:acme/adapter@main' },
      { onProgress: (told) => progress.push(told) },
    );
    expect(await remote.encode(pixels, question)).to.deep.equal(await local.encode(pixels, question));
    expect(new Set(progress.map(({ name }) => name))).to.deep.equal(new Set(['acme/tower', 'acme/adapter']));
    const { length } = hub().requests;
    await using mixed = await QAViT.load({ tower: 'acme/tower', adapter: folders.adapter }, { offline: true });
    expect(mixed.info.folders.adapter).to.equal(folders.adapter);
    expect(hub().requests).to.have.length(length);
  });

  it('takes a tower alone, and a whole model with its parts in folders', async () => {
    await using tower = await QAViT.load('acme/tower');
    expect(tower.info.fusedLayers).to.deep.equal([]);
    writeJson(at('model', 'config.json'), { model_type: 'qavit', tower: 'tower', adapter: 'adapter' });
    hub().add('acme/whole', filesOf(at('model')));
    await using whole = await QAViT.load('acme/whole@main');
    expect(whole.info.fusedLayers).to.deep.equal([2, 3]);
  });

  it('takes a whole model with all its parts: also the one that reads its questions', async () => {
    const demo = path.join(root, 'models', 'demo');
    cpSync(demo, at('asking'), { recursive: true });
    const parts = { tower: 'tower', adapter: './adapter', questions: 'language/' };
    writeJson(at('asking', 'config.json'), { model_type: 'qavit', ...parts });
    hub().add('acme/asking', filesOf(at('asking')));
    await using remote = await QAViT.load('acme/asking');
    await using local = await QAViT.load(at('asking'));
    const asked = 'what digit is on the red square?';
    expect(await remote.encode(PICTURE, asked)).to.deep.equal(await local.encode(PICTURE, asked));
  });

  it('takes what reads questions by name: a language model of which nothing here computes more than the table', async () => {
    const question = { features: 'embedding', normalization: 'none', max_tokens: 16 };
    const { tower, adapter } = writeRandomModel(at('reading'), {
      questionWidth: 32,
      languageWidth: 32,
      adapterConfig: { question },
    });
    mkdirSync(at('llama'), { recursive: true });
    for (const name of ['tokenizer.json', 'config.json']) {
      cpSync(fixture('language', 'llama-tiny', name), at('llama', name));
    }
    const table = f32([300, 32], floats(random(9), 300 * 32));
    writeSafetensors(at('llama', 'model.safetensors'), { 'model.embed_tokens.weight': table });
    hub().add('acme/llama', filesOf(at('llama')));
    await using local = await QAViT.load({ tower, adapter, questions: at('llama') });
    const wanted = await local.encode(pixels, 'what is red?');
    await expectRejection(
      QAViT.load({ tower, adapter, questions: 'acme/llama' }, { offline: true }),
      'ERR_ARGUMENT',
      /With a network: npx qavit fetch acme\/llama$/,
    );
    expect((await runCli(['fetch', 'acme/llama'], { cwd: at('empty') })).code).to.equal(0);
    const { length } = hub().requests;
    const server = { url: 'http://127.0.0.1:9/v1', model: 'llama', text: 'acme/llama' };
    for (const parts of [{ questions: 'acme/llama' }, { language: server }]) {
      await using model = await QAViT.load({ tower, adapter, ...parts }, { offline: true });
      expect(await model.encode(pixels, 'what is red?')).to.deep.equal(wanted);
    }
    expect(hub().requests).to.have.length(length);
  });

  it('prefers a folder of that name', async () => {
    writeRandomModel(at('empty', 'acme'));
    await using model = await QAViT.load('acme/tower');
    expect(model.info.folders.tower).to.equal('acme/tower');
    expect(hub().requests).to.deep.equal([]);
  });

  it('asks no hub for what is likely a slip in a folder, unless told to', async () => {
    mkdirSync(at('empty', 'acme'), { recursive: true });
    const found = /"acme\/adapter", which does not exist in the folder acme; hf:acme\/adapter is the one at a hub$/;
    await expectRejection(QAViT.load({ tower: folders.tower, adapter: 'acme/adapter' }), 'ERR_ARGUMENT', found);
    expect(hub().requests).to.deep.equal([]);
    await using fetched = await QAViT.load({ tower: folders.tower, adapter: 'hf:acme/adapter' });
    await using cached = await QAViT.load({ tower: folders.tower, adapter: 'acme/adapter' });
    expect(cached.info.folders).to.deep.equal(fetched.info.folders);
  });

  it('refuses what cannot be loaded before it fetches weights', async () => {
    hub().add('acme/gpt', { 'config.json': '{"model_type": "gpt2"}', 'model.safetensors': Buffer.alloc(10) });
    await expectRejection(
      QAViT.load('acme/gpt'),
      'ERR_UNSUPPORTED',
      /qavit, llava, .* or a tower: clip, .* for model_type/,
    );
    expect(hub().resolved).to.deep.equal(['config.json']);
  });

  it('keeps to HF_HUB_OFFLINE and to its option', async () => {
    process.env.HF_HUB_OFFLINE = '1';
    await expectRejection(QAViT.load('acme/tower'), 'ERR_ARGUMENT', /offline because of HF_HUB_OFFLINE/);
    delete process.env.HF_HUB_OFFLINE;
    await expectRejection(QAViT.load('acme/tower', { offline: true }), 'ERR_ARGUMENT', /offline as asked for/);
    await expectRejection(
      QAViT.load('acme/tower', { offline: 1 as unknown as boolean }),
      'ERR_ARGUMENT',
      /true or false for option offline/,
    );
    expect(hub().requests).to.deep.equal([]);
  });

  describe('on the command line', () => {
    const cli = (...args: string[]) => runCli(args, { cwd: at('empty') });

    it('fetches, says where to, and then needs no network', async () => {
      const fetched = await cli('fetch', 'acme/tower', 'acme/adapter', '--json');
      expect(fetched).to.include({ code: 0, stderr: '' });
      const [tower] = fetched.stdout.split('\n').map((line) => (line ? (JSON.parse(line) as object) : {}));
      expect(tower).to.have.property('name', 'acme/tower');
      const { length } = hub().requests;
      const args = ['info', '--tower', 'acme/tower', '--adapter', 'acme/adapter', '--offline'];
      expect((await cli(...args)).stdout).to.match(/^fused layers +2–3$/m);
      expect(hub().requests).to.have.length(length);
    });

    it('fetches nothing of a model that is none of ours', async () => {
      const config = { 'config.json': '{"model_type": "beit", "hidden_size": 16}' };
      hub().add('acme/dino', { ...config, 'model.safetensors': Buffer.alloc(10) });
      const { code, stderr } = await cli('fetch', 'acme/dino');
      expect(code).to.equal(1);
      expect(stderr).to.match(/a tower \(clip, .* for model_type of config\.json of acme\/dino .*"beit"\n/);
      expect(hub().resolved).to.deep.equal(['config.json']);
    });

    it('fetches with the first use, without a word where no terminal is', async () => {
      const { code, stderr, stdout } = await cli('encode', PICTURE, '--tower', 'acme/tower', '--json');
      expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
      expect(JSON.parse(stdout)).to.have.deep.property('shape', [17, 32]);
    });

    it('fails in one line and a hint', async () => {
      const offline = await cli('encode', PICTURE, '--tower', 'acme/tower', '--offline');
      expect(offline.code).to.equal(1);
      expect(offline.stderr).to.match(/^qavit: Expected acme\/tower .* npx qavit fetch acme\/tower\nhint: .*\n$/);
      await hub().close();
      const alone = await cli('fetch', 'acme/tower');
      expect(alone.stderr).to.match(/^qavit: Expected an answer .*ECONNREFUSED\)\nhint: .*HF_ENDPOINT.*\n$/);
      const folder = await cli('fetch', './acme');
      expect(folder).to.include({ code: 2 });
      expect(folder.stderr).to.match(/^qavit: Expected org\/name or org\/name@revision .*\nhint: .*\n$/);
    });
  });
});
