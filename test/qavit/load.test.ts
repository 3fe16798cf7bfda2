import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mock } from 'node:test';
import { type LoadOptions, type ModelFolders, QAViT } from '../../lib';
import { roleOf } from '../../lib/hub';
import { TextTokenizer } from '../../lib/text/tokenizer';
import { TensorFolder } from '../../lib/weights';
import { expectRejection, expectThrow } from '../support/expect-error';
import { fixture } from '../support/paths';
import { type RandomModelOptions, writeJson, writeRandomModel } from '../support/random-model';
import { f32 } from '../support/safetensors-writer';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';

describe('QAViT.load', () => {
  const at = temporaryFolder();

  beforeEach(() => rmSync(at('model'), { recursive: true, force: true }));

  const write = (options?: RandomModelOptions): ModelFolders => writeRandomModel(at('model'), options);
  const load = (options?: RandomModelOptions, loading?: LoadOptions) => QAViT.load(write(options), loading);

  it('says what was loaded', async () => {
    await using model = await load({}, { device: 'cpu', dtype: 'f32', threads: 1 });
    const { info } = model;
    expect(info).to.deep.include({
      dtype: 'f32',
      padding: 'mask',
      image: square(32),
      patch: 8,
      hasClass: true,
      language: null,
    });
    expect(info).to.include({ M: 17, N: 17, C: 32, H: 2, L: 4, layersComputed: 4, Dq: 24, E: 20 });
    expect(info.fusedLayers).to.deep.equal([2, 3]);
    expect(info.gates).to.have.length(2);
    for (const gate of info.gates) expect(Math.abs(gate)).to.be.within(0, 1);
    expect(info.device).to.include({ kind: 'cpu', threads: 1 });
    expect(info.memory.weightBytes).to.be.above(0);
  });

  it('takes a tower alone, and its folder by name', async () => {
    const { tower } = write();
    for (const what of [{ tower }, tower]) {
      await using model = await QAViT.load(what);
      expect(model.info).to.include({ Dq: null, E: null });
      expect(model.info.fusedLayers).to.deep.equal([]);
    }
  });

  it('takes a combined folder', async () => {
    write();
    writeJson(at('model', 'config.json'), { model_type: 'qavit', tower: 'tower', adapter: 'adapter' });
    await using model = await QAViT.load(at('model'));
    expect(model.info.folders).to.include({ tower: at('model', 'tower'), adapter: at('model', 'adapter') });
    expect(model.info.fusedLayers).to.deep.equal([2, 3]);
  });

  it('takes the preprocessor from processor_config.json too, and where both are there as transformers does', async () => {
    const { tower } = write();
    const own = path.join(tower, 'preprocessor_config.json');
    const joint = path.join(tower, 'processor_config.json');
    const image_processor = JSON.parse(readFileSync(own, 'utf8')) as object;
    const square = { height: 24, width: 24 };
    writeJson(own, { ...image_processor, size: square, crop_size: square });
    await expectRejection(QAViT.load({ tower }), 'ERR_FORMAT', /image_size 32 .*preprocessor_config\.json .* 24 x 24/);
    writeJson(joint, { processor_class: 'CLIPProcessor', image_processor: null });
    await expectRejection(QAViT.load({ tower }), 'ERR_FORMAT', /preprocessor_config\.json .* 24 x 24/);
    writeJson(joint, { image_processor });
    const sizes: number[] = [];
    for (const change of [() => undefined, () => rmSync(own)]) {
      change();
      await using model = await QAViT.load({ tower });
      sizes.push(model.info.image.width);
    }
    expect(sizes).to.deep.equal([32, 32]);
    writeJson(joint, { image_processor: 5 });
    await expectRejection(QAViT.load({ tower }), 'ERR_FORMAT', /an object for image_processor of .*received 5$/);
    writeJson(joint, {});
    await expectRejection(
      QAViT.load({ tower }),
      'ERR_FORMAT',
      /an object "image_processor" for .*processor_config\.json/,
    );
  });

  it('says that it does not know an architecture before it looks how its pictures are prepared', async () => {
    const { tower } = write();
    writeJson(path.join(tower, 'config.json'), { model_type: 'qwen2_5_vl' });
    writeJson(path.join(tower, 'preprocessor_config.json'), { image_processor_type: 'Pix2StructImageProcessor' });
    await expectRejection(QAViT.load({ tower }), 'ERR_UNSUPPORTED', /for model_type of .*received "qwen2_5_vl"$/);
  });

  it("says where to find models that it knows in transformers' form alone", async () => {
    const { tower } = write();
    for (const model_type of ['internvl_chat', 'intern_vit_6b']) {
      writeJson(path.join(tower, 'config.json'), { model_type });
      const message = new RegExp(`for model_type of .*received "${model_type}" \\(in code of its own; .* in -hf\\)$`);
      for (const model of [tower, { tower }]) await expectRejection(QAViT.load(model), 'ERR_UNSUPPORTED', message);
      expectThrow(() => roleOf({ model_type }, 'config.json'), 'ERR_UNSUPPORTED', message);
    }
  });

  it('lets options override what is taken from the tower', async () => {
    await using model = await load({}, { hiddenLayer: -2, keepClass: false });
    expect(model.info).to.include({ layersComputed: 3, N: 16 });
    expect(model.info.fusedLayers).to.deep.equal([2]);
    for (const hiddenLayer of [5, -6]) {
      await expectRejection(load({}, { hiddenLayer }), 'ERR_ARGUMENT', /from -5 to 4 for option hiddenLayer/);
    }
    const { tower } = write();
    for (const [hiddenLayer, layersComputed] of [
      [-5, 0],
      [0, 0],
      [4, 4],
    ] as const) {
      await using plain = await QAViT.load({ tower }, { hiddenLayer });
      expect(plain.info).to.include({ layersComputed });
    }
  });

  it('takes pictures of one patch', async () => {
    await using model = await load({}, { imageSize: 8 });
    expect(model.info).to.deep.include({ image: square(8), M: 2 });
  });

  describe('where it fails', () => {
    const gamma = 'encoder.layers.1.layer_norm1.weight';
    const refuse = (options: RandomModelOptions, code: 'ERR_FORMAT' | 'ERR_SHAPE') =>
      expectRejection(load(options, { device: 'cpu', threads: 4 }), code);
    const spoilt = () =>
      refuse({ tower: (all) => (all[gamma] = f32([32], new Float32Array(32).fill(NaN))) }, 'ERR_FORMAT');
    const unfitting = () => refuse({ adapterConfig: { instruction_dim: 23 } }, 'ERR_SHAPE');

    it('closes the files that it opened', async () => {
      const close = mock.method(TensorFolder.prototype, 'close');
      try {
        for (const fail of [spoilt, unfitting]) await fail();
        const closed = close.mock.calls.map(({ this: folder }) => path.basename((folder as TensorFolder).directory));
        expect(closed).to.deep.equal(['tower', 'adapter', 'tower', 'adapter']);
      } finally {
        close.mock.restore();
      }
    });

    it('ends the threads that it began', async function () {
      if (process.platform !== 'linux') this.skip();
      const threads = () => readdirSync('/proc/self/task').length;
      await spoilt();
      const before = threads();
      // Garbage collection ends those of a device that was forgotten too, but not at once.
      for (let i = 0; i < 12; i += 1) {
        await spoilt();
        expect(threads()).to.be.at.most(before);
      }
    });
  });

  it('chooses a dtype, or refuses one', async () => {
    await using automatic = await load({}, { device: 'cpu' });
    expect(automatic.info.dtype).to.be.oneOf(['f32', 'bf16']);
    await using forced = await load({}, { device: 'cpu', dtype: 'bf16' });
    expect(forced.info.dtype).to.equal('bf16');
    await expectRejection(load({}, { device: 'cpu', dtype: 'f16' }), 'ERR_DTYPE', /dtype on the device cpu .* "f16"/);
  });

  it('never falls back from cuda', async () => {
    for (const device of ['cuda', 'cuda:999'] as const) {
      const [, ordinal = '0'] = device.split(':');
      try {
        await using model = await load({}, { device });
        expect(model.info.device).to.include({ kind: 'cuda', ordinal: Number(ordinal) });
      } catch (error) {
        expect(error).to.have.property('code', 'ERR_UNSUPPORTED');
        expect(String(error)).to.match(new RegExp(`Expected .* for device cuda:${ordinal} but received `));
      }
    }
  });

  it('refuses wrong options, with the nearest right one', async () => {
    const refuse = (options: object, message: RegExp) => expectRejection(load({}, options), 'ERR_ARGUMENT', message);
    await refuse({ devise: 'cpu' }, /"devise" \(did you mean device\?\)/);
    await refuse({ pading: 'mask' }, /did you mean padding\?/);
    await refuse(
      { quux: 1 },
      /one of device, languageDevice, dtype, .* for an option of QAViT\.load but received "quux"$/,
    );
    await refuse({ device: 'gpu' }, /auto, cpu, cuda or cuda:N for option device/);
    await refuse({ dtype: 'int4' }, /one of auto, f32, bf16, f16, int8 for option dtype/);
    await refuse({ padding: 'zero' }, /one of mask, attend/);
    for (const threads of [0, 257, 1.5, '2', NaN])
      await refuse({ threads }, /integer from 1 to 256 for option threads/);
    await refuse({ signal: {} }, /an AbortSignal for option signal/);
    await refuse([] as object, /an object for the options of QAViT\.load/);
  });

  it('refuses what is no model', async () => {
    const refuse = (what: unknown, message: RegExp) =>
      expectRejection(QAViT.load(what as string), 'ERR_ARGUMENT', message);
    await refuse(at('nowhere'), /a model folder, org\/name at a hub, or one of demo .*nowhere", which does not exist/);
    await refuse('', /which does not exist/);
    await refuse(5, /a model folder or \{ tower, adapter\?, language\?, questions\? \}/);
    await refuse(null, /a model folder or/);
    await refuse({}, /a folder for tower but received undefined/);
    await refuse({ tower: 5 }, /a folder for tower/);
    await refuse({ tower: at('nowhere') }, /a folder, or org\/name at a hub, for tower .* does not exist/);
    const { tower } = write();
    await refuse({ tower, adapter: at('nowhere') }, /a folder, or org\/name at a hub, for adapter/);
    await refuse({ tower, adaptor: 'a' }, /"adaptor" \(did you mean adapter\?\)/);
    await refuse(path.join(tower, 'config.json'), /which is a file/);
    await refuse(path.join(tower, 'config.json', 'x'), /which does not exist/);
    await refuse({ tower, adapter: 'a\0b' }, /which does not exist/);
    await refuse('a'.repeat(5000), /which cannot be read: ENAMETOOLONG/);
    symlinkSync(at('circle'), at('circle'));
    await refuse({ tower: at('circle') }, /for tower .* which cannot be read: ELOOP/);
  });

  it('refuses a combined folder that makes no sense or reaches outside', async () => {
    write();
    const refuse = async (config: unknown, code: 'ERR_FORMAT' | 'ERR_UNSUPPORTED', message: RegExp) => {
      writeJson(at('model', 'config.json'), config);
      await expectRejection(QAViT.load(at('model')), code, message);
    };
    await refuse(
      { model_type: 'qwen3_vl' },
      'ERR_UNSUPPORTED',
      /qavit, llava, .* or a tower: clip, clip_vision_model, siglip, .* for model_type/,
    );
    await refuse({ model_type: 'qavit' }, 'ERR_FORMAT', /tower in .*config\.json/);
    for (const tower of ['nowhere', '..', '../..', '/tmp', '.', '', 5]) {
      await refuse(
        { model_type: 'qavit', tower },
        'ERR_FORMAT',
        /the name of a folder in it|the name of a folder for tower/,
      );
    }
    await refuse(
      { model_type: 'qavit', tower: 'tower', adapter: 'adaptor' },
      'ERR_FORMAT',
      /adapter in .*config\.json/,
    );
    await refuse([], 'ERR_FORMAT', /a JSON object/);
  });

  it('says how to make the tokenizer.json that a language model was published without', async () => {
    const { tower } = write();
    const published = at('model', 'mt5');
    cpSync(fixture('language', 't5-plain'), published, { recursive: true });
    renameSync(path.join(published, 'tokenizer.json'), path.join(published, 'spiece.model'));
    const server = { url: 'http://127.0.0.1:9/v1', model: 'm', text: published };
    writeJson(at('model', 'config.json'), { model_type: 'qavit', tower: 'tower', language: 'mt5' });
    for (const model of [
      { tower, language: published },
      { tower, questions: published },
      { tower, language: server },
      at('model'),
    ]) {
      const how =
        /tokenizer\.json \(.* of spiece\.model: AutoTokenizer\..*save_pretrained.* for .*mt5 but received none$/;
      await expectRejection(QAViT.load(model), 'ERR_FORMAT', how);
    }
  });

  it('names missing files', async () => {
    for (const [file, message] of [
      ['tower/config.json', /tower\/config\.json .* does not exist/],
      ['tower/preprocessor_config.json', /tower\/preprocessor_config\.json .* does not exist/],
      ['tower/model.safetensors', /model\.safetensors, .* or .* for .*tower/],
      ['adapter/config.json', /adapter\/config\.json/],
      ['adapter/model.safetensors', /model\.safetensors, .* or .* for .*adapter/],
    ] as const) {
      const folders = write();
      renameSync(at('model', file), at('model', 'away'));
      await expectRejection(QAViT.load(folders), 'ERR_FORMAT', message);
      rmSync(at('model'), { recursive: true });
    }
  });

  describe('refuses weights', () => {
    const refuse = (options: RandomModelOptions, code: 'ERR_FORMAT' | 'ERR_SHAPE' | 'ERR_DTYPE', message: RegExp) =>
      expectRejection(load(options), code, message);
    const norm = 'encoder.layers.1.layer_norm1.weight';
    const first = 'encoder.layers.2.instruct_dim_reduce.1.weight';

    it('that are missing', async () => {
      const message = /tensor encoder\.layers\.1\.layer_norm1\.weight \[32\] for .*tower\/model\.safetensors .* none/;
      await refuse({ tower: (all) => delete all[norm] }, 'ERR_FORMAT', message);
      await refuse(
        { adapter: (all) => delete all[first] },
        'ERR_FORMAT',
        /tensor encoder\.layers\.2\..*1\.weight \[32, 24\]/,
      );
      await refuse(
        { adapter: (all) => delete all['translation_mlp.layers.0.weight'] },
        'ERR_FORMAT',
        /translation_mlp/,
      );
      const landmark = 'embeddings.patch_embedding.weight';
      await refuse(
        { tower: (all) => delete all[landmark] },
        'ERR_FORMAT',
        /tensor embeddings\.patch_embedding\.weight for/,
      );
    });

    it('of another shape', async () => {
      const short = f32([31], new Float32Array(31));
      await refuse(
        { tower: (all) => (all[norm] = short) },
        'ERR_SHAPE',
        /\[32\] for tensor encoder\.layers\.1.* of .*tower.* \[31\]/,
      );
      await refuse({ towerConfig: { hidden_size: 64 } }, 'ERR_SHAPE', /\[64, 3, 8, 8\] for tensor .* \[32, 3, 8, 8\]/);
      await refuse({ towerConfig: { image_size: 40 } }, 'ERR_FORMAT', /image_size 40 .* for crop_size .* 32 x 32/);
      await refuse({ adapterConfig: { instruction_dim: 23 } }, 'ERR_SHAPE', /\[23\] for tensor encoder\.layers\.2/);
      await refuse({ adapter: (all) => (all[first] = short) }, 'ERR_SHAPE', /\[32, 24\]/);
    });

    it('of another model', async () => {
      await refuse({ towerConfig: { num_hidden_layers: 5 } }, 'ERR_FORMAT', /tensor encoder\.layers\.4/);
      await refuse(
        { towerConfig: { num_hidden_layers: 3 } },
        'ERR_FORMAT',
        /config\.json describes .* also encoder\.layers\.3/,
      );
      await refuse({ adapterConfig: { integration_point: 'all' } }, 'ERR_FORMAT', /tensor encoder\.layers\.0/);
      await refuse(
        { adapterConfig: { integration_point: 'late2' } },
        'ERR_FORMAT',
        /describes .* also encoder\.layers\.2/,
      );
    });

    it('that hold integers', async () => {
      const ids = { dtype: 'I64', shape: [32], bytes: new Uint8Array(256) };
      await refuse({ tower: (all) => (all[norm] = ids) }, 'ERR_DTYPE', /F32, F16 or BF16 for tensor encoder/);
    });

    it('that are not finite, read straight from the file or folded', async () => {
      const spoil = (name: string, value: number) => (all: Record<string, { bytes: Uint8Array }>) => {
        const { bytes } = all[name]!;
        new DataView(bytes.buffer, bytes.byteOffset).setFloat32(8, value, true);
      };
      for (const name of [
        'embeddings.patch_embedding.weight',
        'embeddings.class_embedding',
        'pre_layrnorm.bias',
        'encoder.layers.0.mlp.fc1.weight',
        'encoder.layers.1.self_attn.q_proj.weight',
        'encoder.layers.3.self_attn.k_proj.bias',
        'encoder.layers.3.self_attn.out_proj.weight',
      ]) {
        const message = new RegExp(
          `finite numbers for tensor ${name.replaceAll('.', '\\.')} of .*tower.* NaN at element 2`,
        );
        await refuse({ tower: spoil(name, NaN) }, 'ERR_FORMAT', message);
      }
      for (const name of [first, 'encoder.layers.2.instruct_dim_reduce.3.weight', 'translation_mlp.layers.1.weight']) {
        await refuse(
          { adapter: spoil(name, -Infinity) },
          'ERR_FORMAT',
          /finite numbers for tensor .*adapter.* -Infinity/,
        );
      }
      const gate = 'encoder.layers.2.self_attn.instruction_proj_gate';
      await refuse(
        { adapter: (all) => (all[gate] = f32([1], Float32Array.of(NaN))) },
        'ERR_FORMAT',
        /instruction_proj_gate/,
      );
    });

    it('that are truncated', async () => {
      const folders = write();
      const file = path.join(folders.tower, 'model.safetensors');
      const whole = readFileSync(file);
      for (const length of [0, 7, 100, whole.length - 1]) {
        writeFileSync(file, whole.subarray(0, length));
        await expectRejection(QAViT.load(folders), 'ERR_FORMAT', /model\.safetensors/);
      }
    });
  });

  it('takes gates of one number in both spellings, and ignores what the published code never reads', async () => {
    const gate = 'encoder.layers.2.self_attn.instruction_proj_gate';
    await using model = await load({
      adapter: (all) => {
        all[gate] = f32([], Float32Array.of(0.5));
        all['encoder.layers.2.self_attn.instruction_gate'] = f32([1], Float32Array.of(1));
        all['translation_mlp.dummy.weight'] = f32([1], Float32Array.of(1));
      },
    });
    expect(model.info.gates[0]).to.be.closeTo(Math.tanh(0.5), 1e-7);
  });

  it('stops when its signal fires', async () => {
    await expectRejection(load({}, { signal: AbortSignal.abort() }), 'ERR_ABORTED', /completion for QAViT\.load/);
    const controller = new AbortController();
    const loading = load({ layers: 8, width: 256, heads: 4 }, { signal: controller.signal });
    setTimeout(() => controller.abort(), 5);
    await expectRejection(loading, 'ERR_ABORTED', /Expected completion for .* but received/);
  });

  it('waits for no pipe and reads no device in the place of a file', async function () {
    if (process.platform === 'win32') this.skip();
    for (const [part, file] of [
      ['tower', 'config.json'],
      ['tower', 'preprocessor_config.json'],
      ['adapter', 'config.json'],
    ] as const) {
      const folders = writeRandomModel(at('piped'));
      rmSync(path.join(folders[part], file));
      execFileSync('mkfifo', [path.join(folders[part], file)]);
      await expectRejection(QAViT.load(folders), 'ERR_FORMAT', /Expected a file for .* received a device or pipe$/);
      rmSync(path.join(folders[part], file));
    }
    const tokenizer = at('tokenizer.json');
    symlinkSync('/dev/zero', tokenizer);
    await expectRejection(TextTokenizer.load(tokenizer), 'ERR_FORMAT', /received a device or pipe$/);
  });
});
