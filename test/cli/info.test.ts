import { expect } from 'chai';
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { FakeHub, type HubFile } from '../support/fake-hub';
import { fixture, root } from '../support/paths';
import { writeJson, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';
import { runCli } from './run-cli';

interface Described {
  loaded: boolean;
  tower?: Record<string, unknown> & { weights?: object };
  adapter?: Record<string, unknown>;
  language?: Record<string, unknown>;
  missingForAsk: string[];
}

describe('qavit info of files', () => {
  const at = temporaryFolder();
  const info = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await runCli(['info', ...args]);
    expect({ code, stderr }).to.deep.equal({ code: 0, stderr: '' });
    return stdout;
  };
  const json = async (...args: string[]) => JSON.parse(await info(...args, '--json')) as Described;

  beforeEach(() => rmSync(at('model'), { recursive: true, force: true }));

  it('describes what it does not load as it describes what it loads', async () => {
    const demo = path.join(root, 'models', 'demo');
    const loaded = await info(demo);
    const files = await info(demo, '--no-load');
    for (const row of ['width', 'layers', 'question', 'projector', 'fused layers', 'gates', 'tower files', 'ask']) {
      const line = new RegExp(`^${row} +(.*)$`, 'm');
      expect(line.exec(files)?.[1], row).to.be.a('string').and.equal(line.exec(loaded)?.[1]);
    }
    expect(files).to.match(/^language +.*\(encoder-decoder on ONNX Runtime, E = 128, \d+ tokens\)$/m);
    expect(await json(demo)).to.include({ loaded: true });
    expect((await json(demo, '--no-load')).missingForAsk).to.deep.equal([]);
  });

  it('describes every family of towers, with the size of its files', async () => {
    for (const name of readdirSync(fixture('towers'))) {
      const tower = fixture('towers', name, 'tower');
      const found = await json('--tower', tower, '--no-load');
      const sizes = readdirSync(tower).filter((file) => file.endsWith('.safetensors'));
      const bytes = sizes.reduce((sum, file) => sum + statSync(path.join(tower, file)).size, 0);
      expect(found.tower, name).to.include({ folder: tower }).and.have.property('L').above(0);
      expect(found.tower?.weights, name)
        .to.have.property('bytes')
        .within(bytes / 2, bytes);
    }
  }).timeout(120_000);

  it('takes no options of loading where nothing is loaded', async () => {
    for (const option of ['--device=cpu', '--dtype=f32', '--max-patches=12', '--padding=attend', '--keep-class=no']) {
      const { code, stderr } = await runCli(['info', 'demo', '--no-load', option]);
      expect(code, option).to.equal(2);
      expect(stderr, option).to.match(/option '--no-load' cannot be used with option '--/);
    }
  });

  it('says what pictures an adapter was trained on', async () => {
    const tower = fixture('towers', 'dinov2', 'tower');
    const adapter = at('trained-on');
    cpSync(fixture('towers', 'dinov2', 'adapters', 'adapter'), adapter, { recursive: true });
    const file = path.join(adapter, 'config.json');
    const own = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeJson(file, { ...own, image_size: { width: 20, height: 12 } });
    const parts = ['--tower', tower, '--adapter', adapter];
    expect(await info(...parts, '--no-load')).to.match(/^trained on +20 × 12 pixels$/m);
    expect(await info(...parts)).to.match(
      /^picture +20 × 12 pixels in patches of 4; positions interpolated from 7 × 7/m,
    );
    writeJson(file, { ...own, image_size: { max_patches: 20 } });
    const inShapes = /^trained on +pictures in their own shapes, of at most 20 patches$/m;
    expect(await info(...parts, '--no-load')).to.match(inShapes);
    expect(await info(...parts)).to.match(/^picture +each in its own shape, of at most 20 patches of 4; /m);
    const { tower: described } = await json('--tower', tower, '--no-load');
    expect(described).to.deep.include({ trainedImage: { width: 28, height: 28 }, M: 50 });
  });

  it('says of pictures in shapes of their own how many patches they are at most', async () => {
    const naflex = fixture('towers', 'siglip2', 'tower');
    const qwen = fixture('qwen2_vl', 'qwen2_vl');
    const shaped = /^picture +each in its own shape, of at most (36|64) patches of 4$/m;
    for (const folder of [naflex, qwen]) {
      const said = await info(folder, '--no-load');
      expect(said)
        .to.match(shaped)
        .and.match(/^tokens +M ≤ (36|64)$/m);
    }
    expect(await info(naflex)).to.match(/^picture .* patches of 4; positions interpolated from 4 × 4 patches$/m);
    // Without a table there is nothing to interpolate.
    expect(await info(qwen)).to.match(shaped);
    const both = await info(fixture('towers', 'qwen3-vl', 'tower'));
    expect(both).to.match(/^picture .* at most 36 patches of 4; positions interpolated from 4 × 4 patches$/m);
    const turning = await info(fixture('towers', 'dinov3', 'tower'), '--max-patches', '20');
    expect(turning).to.match(/^picture +each in its own shape, of at most 20 patches of 4$/m);
    expect((await json(naflex, '--no-load')).tower).to.include({ maxPatches: 36, M: 36 });
  });

  it('describes language models alone', async () => {
    const t5 = await json(fixture('language', 't5-gated'));
    expect(t5.language).to.include({ kind: 'encoder-decoder', runtime: 'T5' }).and.have.property('weights');
    expect(t5.missingForAsk[0]).to.match(/^no tower; /);
    const llama = await json(
      '--tower',
      fixture('towers', 'vit', 'tower'),
      '--language',
      fixture('language', 'llama-tiny'),
      '--no-load',
    );
    expect(llama.language).to.include({ kind: 'decoder-only', runtime: 'ONNX Runtime' });
  });

  it('calls nothing a language model because it does not know it', async () => {
    const folder = at('unknown');
    mkdirSync(folder, { recursive: true });
    const text_config = { model_type: 'gemma', vocab_size: 50, hidden_size: 16 };
    for (const config of [
      { model_type: 'beit', hidden_size: 16, image_size: 32, patch_size: 8 },
      { model_type: 'mllama', vision_config: { model_type: 'mllama_vision_model' }, text_config },
    ]) {
      writeJson(path.join(folder, 'config.json'), config);
      const { code, stderr } = await runCli(['info', folder]);
      expect(code).to.equal(1);
      const message = `Expected qavit, llava, .*, a tower \\(clip, .*\\), or a language model's for model_type of .*"${config.model_type}"`;
      expect(stderr).to.match(new RegExp(message));
    }
    writeJson(path.join(folder, 'config.json'), { model_type: 'kosmos-2', text_config });
    expect((await json(folder)).language).to.include({ kind: 'decoder-only', E: 16 });
  });

  it('says of an incomplete folder what is missing and what would bring it', async () => {
    const { tower, adapter } = writeRandomModel(at('model'));
    rmSync(path.join(tower, 'preprocessor_config.json'));
    rmSync(path.join(tower, 'model.safetensors'));
    const text = await info('--tower', tower, '--adapter', adapter);
    expect(text)
      .to.match(/^model +tower \+ adapter, not loaded$/m)
      .and.match(/^width +C = 32, H = 2 heads, L = 4 layers$/m)
      .and.match(/^fused layers +2–3$/m)
      .and.match(
        /^ask +tower .* lacks preprocessor_config\.json or .*, model\.safetensors or .*: take it from where /m,
      );
    writeRandomModel(at('model'), { towerConfig: { _name_or_path: 'acme/tower' } });
    rmSync(path.join(adapter, 'model.safetensors'));
    rmSync(path.join(tower, 'model.safetensors'));
    const named = await json('--tower', tower, '--adapter', adapter);
    expect(named.missingForAsk[0]).to.match(/: npx qavit fetch acme\/tower$/);
    expect(named.missingForAsk[1]).to.match(/^adapter .* lacks model\.safetensors or /);
    expect(named.adapter).to.include({ Dq: 24 }).and.not.have.property('gates');
    rmSync(path.join(tower, 'config.json'));
    expect((await json(tower)).missingForAsk[0]).to.match(/^tower .* lacks config\.json: /);
  });

  it('says which part of a combined folder is not there, and loads the rest where that can be', async () => {
    const { tower } = writeRandomModel(at('model'));
    const config = { model_type: 'qavit', tower: 'tower', adapter: 'adapter', language: 'language' };
    writeJson(at('model', 'config.json'), config);
    const found = await json(at('model'));
    expect(found).to.include({ loaded: true, L: 4 });
    expect(found.missingForAsk).to.deep.equal([
      `language ${at('model', 'language')} lacks config.json: take it from where ${at('model', 'language')} comes from`,
    ]);
    rmSync(tower, { recursive: true });
    expect((await json(at('model'))).missingForAsk).to.have.length(2);
  });

  it('refuses damaged files as loading them does', async () => {
    const { tower } = writeRandomModel(at('model'), { towerConfig: { hidden_size: -1 } });
    const { code, stderr } = await runCli(['info', tower, '--no-load']);
    expect(code).to.equal(1);
    expect(stderr).to.match(/^qavit: Expected a positive integer for hidden_size of /);
    const lying = writeRandomModel(at('model'), { towerConfig: { num_hidden_layers: 2e9 } });
    const listed = await runCli(['info', '--tower', lying.tower, '--adapter', lying.adapter, '--no-load']);
    expect(listed.stderr).to.match(/^qavit: Expected an integer from 1 to 4096 for num_hidden_layers of /);
    writeJson(at('model', 'config.json'), { model_type: 'qavit', tower: '../model/tower' });
    const outside = await runCli(['info', at('model')]);
    expect(outside.stderr).to.match(/^qavit: Expected the name of a folder in it for tower in .*"\.\.\/model\/tower"/);
  });

  describe('at a hub', () => {
    let hub: FakeHub;
    before(async () => {
      hub = await FakeHub.start();
      const { tower } = writeRandomModel(at('hub'));
      const files = readdirSync(tower).map((name): [string, HubFile] => [
        name,
        { content: readFileSync(path.join(tower, name)), large: name.endsWith('.safetensors') },
      ]);
      hub.add('acme/tower', Object.fromEntries(files));
      hub.add('acme/t5', {
        'config.json': readFileSync(path.join(fixture('language', 't5-plain'), 'config.json')),
        'tokenizer.json': '{}',
        'model.safetensors': 'not fetched',
      });
    });
    after(() => hub.close());
    const env = () => ({ HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: at('cache') });
    const remote = (...args: string[]) => runCli(['info', ...args], { env: env(), cwd: at('.') });

    it('fetches configurations alone, and says what would fetch the rest', async () => {
      const { stdout, stderr } = await remote('acme/tower');
      expect(stderr).to.equal('');
      expect(stdout)
        .to.match(/^tower +.*models--acme--tower.* \(CLIP\)$/m)
        .and.match(/^width +C = 32, H = 2 heads, L = 4 layers$/m)
        .and.match(/^ask +tower .* lacks model\.safetensors or .*: npx qavit fetch acme\/tower;/m);
      expect(hub.transfers).to.deep.equal([]);
      expect(hub.resolved.sort()).to.deep.equal(['config.json', 'preprocessor_config.json']);
      const t5 = JSON.parse((await remote('acme/t5', '--json')).stdout) as Described;
      expect(t5.language).to.include({ runtime: 'T5' });
      expect(t5.missingForAsk[0]).to.match(
        /^language .* lacks tokenizer\.json, model\.safetensors or .*fetch acme\/t5$/,
      );
      expect(hub.resolved.sort()).to.deep.equal(['config.json', 'config.json', 'preprocessor_config.json']);
    });

    it('then needs no server, and loads what was fetched', async () => {
      const { length } = hub.requests;
      expect((await remote('acme/tower', '--offline')).stdout).to.match(/not loaded/);
      expect(hub.requests).to.have.length(length);
      await runCli(['fetch', 'acme/tower'], { env: env() });
      const { stdout } = await remote('acme/tower');
      expect(stdout).to.match(/^memory +\d/m);
    });

    it('says that it is not in the cache', async () => {
      const { code, stderr } = await remote('acme/other', '--offline');
      expect(code).to.equal(1);
      expect(stderr).to.match(/^qavit: Expected acme\/other at main for the cache but received none in .*acme--other/);
      mkdirSync(at('acme'), { recursive: true });
      cpSync(at('hub', 'tower'), at('acme', 'mine'), { recursive: true });
      expect((await remote('acme/mine')).stdout).to.match(/^tower +acme\/mine \(CLIP\)$/m);
      const slip = await remote('acme/mind');
      expect(slip.stderr).to.match(/"acme\/mind", which does not exist in the folder acme; hf:acme\/mind is the one/);
    });
  });
});
