import { expect } from 'chai';
import { cpSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import type { Size } from '../../lib/image/geometry';
import { loadModel } from '../../lib/qavit/load';
import { patchGrid } from '../../lib/view/patch-grid';
import { changedTower, tensorsOf, type TowerChange } from '../support/changed-tower';
import { relativeError } from '../support/compare';
import { encodeBatch } from '../support/cuda-engine';
import { itemsOf, questionsOf } from '../support/encode-case';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { f32, type TensorToWrite } from '../support/safetensors-writer';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import { loadingOf, readTowerFixture } from '../support/towers';

const CPU = { device: 'cpu', dtype: 'f32' } as const;

/** A committed tower of each family, alone in its folder; what is beside the hidden states' way, if anything; one of its matrices. */
const FAMILIES = {
  'siglip-vision': { beside: /^(head|post_layernorm)\./, matrix: 'encoder.layers.1.self_attn.k_proj.weight' },
  'siglip2-vision': { beside: /^(head|post_layernorm)\./, matrix: 'encoder.layers.0.self_attn.q_proj.weight' },
  'vit-without-qkv-bias': { beside: /^(pooler|layernorm)\./, matrix: 'encoder.layer.1.attention.attention.key.weight' },
  dinov2: { beside: /^layernorm\.|mask_token$/, matrix: 'encoder.layer.1.attention.output.dense.weight' },
  'dinov2-registers': { beside: /^layernorm\.|mask_token$/, matrix: 'encoder.layer.0.mlp.fc2.weight' },
  'dinov2-swiglu': { beside: /^layernorm\.|mask_token$/, matrix: 'encoder.layer.2.mlp.weights_in.weight' },
  dinov3: { beside: /^norm\.|mask_token$/, matrix: 'layer.1.attention.k_proj.weight' },
  'dinov3-swiglu': { beside: /^norm\.|(mask|register)_tokens?$/, matrix: 'layer.0.mlp.gate_proj.weight' },
  'internvit-without-qkv-bias': { beside: null, matrix: 'encoder.layer.1.attention.projection_layer.weight' },
  idefics3: { beside: /^post_layernorm\./, matrix: 'encoder.layers.1.self_attn.v_proj.weight' },
  'qwen2-vl': { beside: /^merger\./, matrix: 'blocks.1.attn.qkv.weight' },
  'qwen3-vl': { beside: /^(merger|deepstack_merger_list)\./, matrix: 'blocks.2.mlp.linear_fc1.weight' },
  'blip2-vision': { beside: /^post_layernorm\./, matrix: 'encoder.layers.0.self_attn.qkv.weight' },
} as const;

describe('towers', () => {
  const at = temporaryFolder();
  const tower = (name: string) => fixture('towers', name, 'tower');
  const changed = (name: string, change: TowerChange) => changedTower(name, at('tower'), change);

  describe('say what they are', () => {
    const families = {
      laion: { family: 'CLIP', image: square(18), M: 10, N: 9, C: 16, hasClass: true, registers: 0 },
      siglip: { family: 'SigLIP', image: square(19), patch: 6, M: 9, N: 9, hasClass: false, registers: 0 },
      vit: { family: 'ViT', image: square(16), M: 17, N: 16, L: 3, hasClass: true },
      dinov2: { family: 'DINOv2', image: square(16), trainedImage: square(28), M: 17, N: 16 },
      'dinov2-registers': {
        family: 'DINOv2 with registers',
        image: square(16),
        trainedImage: square(24),
        registers: 3,
        M: 20,
        N: 16,
      },
      'dinov2-registers-swiglu': {
        family: 'DINOv2 with registers',
        image: square(12),
        registers: 2,
        M: 12,
        N: 9,
        C: 12,
      },
      dinov3: {
        family: 'DINOv3',
        image: square(20),
        trainedImage: square(20),
        registers: 4,
        M: 30,
        N: 25,
        hasClass: true,
      },
      'dinov3-swiglu': { family: 'DINOv3', image: square(12), registers: 0, M: 10, N: 9, C: 24, H: 2 },
      idefics3: { family: 'SigLIP', image: square(24), trainedImage: square(16), M: 36, positions: 'table' },
      'qwen2-vl': { family: 'Qwen2-VL ViT', image: square(24), trainedImage: square(24), positions: 'rotary' },
      'qwen3-vl': { family: 'Qwen3-VL ViT', image: square(24), trainedImage: square(16), M: 36, maxPatches: 36 },
      'qwen3-5': { family: 'Qwen3.5 ViT', trainedImage: square(32), positions: 'both', C: 24, H: 2 },
      internvit: { family: 'InternViT', image: square(12), M: 10, N: 9, C: 16, hasClass: true },
      blip2: { family: 'EVA ViT-g (BLIP-2)', image: square(12), M: 10, N: 9, H: 1 },
    } as const;
    for (const [name, wanted] of Object.entries(families)) {
      it(wanted.family, async () => {
        // By the folder's own name, and without what stands before the patches.
        await using model = await QAViT.load(tower(name), { ...CPU, keepClass: false });
        expect(model.info).to.deep.include(wanted);
      });
    }
  });

  it('are found in the whole models that have them, whose other shards need not be there', async () => {
    const config = JSON.parse(readFileSync(path.join(tower('siglip-vision'), 'config.json'), 'utf8')) as object;
    const tensors = (all: Record<string, TensorToWrite>) => {
      for (const [name, tensor] of Object.entries(all)) {
        delete all[name];
        all[`vision_model.${name}`] = tensor;
      }
      all['text_model.norm.weight'] = f32([2], Float32Array.of(1, 2));
    };
    const picture = { data: new Uint8Array(12 * 12 * 3).fill(90), width: 12, height: 12, channels: 3 } as const;
    await using model = await QAViT.load(tower('siglip-vision'), CPU);
    const { data } = await model.encode(picture, null);
    const folder = changed('siglip-vision', { tensors, config: { model_type: 'siglip', vision_config: config } });
    const expectSame = async (): Promise<void> => {
      await using whole = await QAViT.load({ tower: folder }, CPU);
      expect((await whole.encode(picture, null)).data).to.deep.equal(data);
    };
    await expectSame();
    const [vision, language] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    renameSync(path.join(folder, 'model.safetensors'), path.join(folder, vision));
    const names = Object.keys(tensorsOf('siglip-vision')).map((name) => `vision_model.${name}`);
    const weight_map = Object.fromEntries(names.map((name) => [name, vision]));
    const index = { weight_map: { ...weight_map, 'text_model.norm.weight': language } };
    writeFileSync(path.join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
    await expectSame();
  });

  describe('take another size of pictures', () => {
    it('that is asked for', async () => {
      await using model = await QAViT.load(tower('siglip'), { ...CPU, imageSize: 32 });
      expect(model.info).to.deep.include({ image: square(32), trainedImage: square(19), M: 25 });
      const picture = { data: new Uint8Array(50 * 40 * 3).fill(7), width: 50, height: 40, channels: 3 } as const;
      using seen = await model.look(picture);
      expect(seen.picture).to.include({ width: 32, height: 32 });
    });

    it('that is no square, resized and cropped or squeezed to as its own', async () => {
      const picture = { data: new Uint8Array(50 * 40 * 3).fill(7), width: 50, height: 40, channels: 3 } as const;
      const wide = { width: 38, height: 19 };
      await using cropping = await QAViT.load(tower('laion'), { ...CPU, imageSize: wide });
      expect(cropping.info).to.deep.include({
        image: wide,
        trainedImage: square(18),
        grid: { rows: 3, columns: 6 },
        M: 19,
        preprocessing: { resize: { kind: 'cover', ...wide }, crop: wide },
      });
      using seen = await cropping.look(picture);
      expect(seen.picture).to.include(wide);
      const upright = { width: 19, height: 32 };
      await using squeezing = await QAViT.load(tower('siglip'), { ...CPU, imageSize: upright });
      expect(squeezing.info).to.deep.include({
        image: upright,
        grid: { rows: 5, columns: 3 },
        M: 15,
        preprocessing: { resize: { kind: 'exact', ...upright }, crop: null },
      });
      using squeezed = await squeezing.look(picture);
      expect(squeezed.picture).to.include(upright);
    });

    it('that the preprocessor makes, where the family takes any', async () => {
      const preprocessor = { size: { shortest_edge: 16 }, crop_size: { height: 12, width: 12 } };
      await using model = await QAViT.load(changed('dinov2', { preprocessor }), CPU);
      expect(model.info).to.deep.include({ image: square(12), trainedImage: square(28), M: 10 });
      const large = { preprocessor: { crop_size: { height: 4100, width: 4100 } } };
      await expectRejection(QAViT.load(changed('dinov2', large), CPU), 'ERR_FORMAT', /edges of 4 to 4096 pixels/);
      const low = { preprocessor: { crop_size: { height: 3, width: 16 } } };
      await expectRejection(QAViT.load(changed('dinov2', low), CPU), 'ERR_FORMAT', /edges of 4 .* received 16 x 3$/);
      const oblong = { preprocessor: { size: { shortest_edge: 16 }, crop_size: { height: 12, width: 16 } } };
      await using wide = await QAViT.load(changed('dinov2', oblong), CPU);
      expect(wide.info).to.deep.include({ image: { width: 16, height: 12 }, M: 13 });
    });

    it('and refuse one that the preprocessor makes and nobody asked for', async () => {
      const folder = changed('vit', { preprocessor: { size: { height: 24, width: 24 } } });
      const message = /image_size 16 of .*\(or option imageSize\) for size of .*preprocessor_config\.json .* 24 x 24/;
      await expectRejection(QAViT.load(folder, CPU), 'ERR_FORMAT', message);
      await using model = await QAViT.load(folder, { ...CPU, imageSize: 24 });
      expect(model.info).to.deep.include({ image: square(24), trainedImage: square(16), M: 37 });
    });

    it('that the adapter was trained on, unless told otherwise', async () => {
      const dinov2 = readTowerFixture(fixture('towers', 'dinov2'));
      const entry = dinov2.cases.find(({ name }) => name === 'adapter, a rectangle')!;
      const adapter = at('trained-on');
      cpSync(entry.adapter!, adapter, { recursive: true });
      const file = path.join(adapter, 'config.json');
      const own = JSON.parse(readFileSync(file, 'utf8')) as object;
      const load = (size: unknown, imageSize?: number) => {
        writeFileSync(file, JSON.stringify({ ...own, image_size: size }));
        return QAViT.load({ tower: dinov2.tower, adapter }, { ...CPU, imageSize });
      };
      await using model = await load(entry.options!.imageSize);
      expect(model.info).to.deep.include({ image: { width: 13, height: 28 }, M: 22 });
      const [item] = itemsOf(entry);
      const { data } = await model.encode(item!.image, item!.question, { output: 'tower' });
      expect(relativeError(data, entry.tower.data)).to.be.below(1e-5);
      await using other = await load(20, 24);
      expect(other.info).to.deep.include({ image: square(24) });
      await using usual = await load(null);
      expect(usual.info).to.deep.include({ image: square(16) });
      await using squares = await load(20);
      expect(squares.info).to.deep.include({ image: square(20) });
      await using shaped = await load({ max_patches: 20 });
      expect(shaped.info).to.deep.include({ image: square(16), maxPatches: 20 });
      await using told = await load({ max_patches: 20 }, 24);
      expect(told.info).to.deep.include({ image: square(24), maxPatches: null });
      for (const max_patches of [0, 1.5, '20', 2 ** 32]) {
        const message = /an integer from 1 to 2147483648 for max_patches in image_size of .*config\.json/;
        await expectRejection(load({ max_patches }), 'ERR_FORMAT', message);
      }
      const both = load({ max_patches: 20, width: 20, height: 12 });
      await expectRejection(
        both,
        'ERR_FORMAT',
        /width and height, or max_patches, for image_size of .* received both$/,
      );
      const tooMany = /at most 268435456 numbers in all for image_size of .*trained-on.config\.json but received/;
      await expectRejection(load({ max_patches: 2 ** 31 }), 'ERR_UNSUPPORTED', tooMany);
      const low = load({ width: 20, height: 3 });
      await expectRejection(low, 'ERR_FORMAT', /at least 4, a patch, for image_size of .*config\.json .* 20 x 3$/);
      for (const [size, message] of [
        [0, /an integer from 1 to 4096 for image_size of .*config\.json but received 0$/],
        [4097, /an integer from 1 to 4096 for image_size of .*config\.json/],
        ['20', /an integer from 1 to 4096 for image_size of .*config\.json/],
        [[20, 20], /a number, or width and height by name, for image_size of .*config\.json but received \[20, 20\]$/],
        [{ width: 20 }, /an integer from 1 to 4096 for height in image_size of .*config\.json but received undefined$/],
        [{ width: '20', height: 20 }, /for width in image_size of .*config\.json but received "20"$/],
      ] as const) {
        await expectRejection(load(size), 'ERR_FORMAT', message);
      }
    });

    it('that was asked for, whatever its owner writes to it meanwhile', async () => {
      const imageSize = { width: 32, height: 19 };
      const loading = QAViT.load(tower('siglip'), { ...CPU, imageSize });
      imageSize.width = 1e9;
      await using model = await loading;
      expect(model.info.image).to.deep.equal({ width: 32, height: 19 });
    });

    it('and refuse one without a patch', async () => {
      const refuse = (imageSize: number | Size, message: RegExp) =>
        expectRejection(QAViT.load(tower('siglip'), { ...CPU, imageSize }), 'ERR_ARGUMENT', message);
      await refuse({ width: 20, height: 5 }, /at least 6, a patch, for option imageSize but received 20 x 5/);
      await refuse({ width: 20, height: 0 }, /\{ width, height \} of such or .* for option imageSize/);
      await refuse({ width: 20 } as Size, /\{ width, height \} of such or .* for option imageSize/);
      await refuse(
        { width: 20, height: 20, depth: 1 } as Size,
        /\{ width, height \} of such or .* for option imageSize/,
      );
      await refuse(5, /at least 6, a patch, for option imageSize but received 5 x 5/);
      for (const size of [0, -1, 1.5, 4097, NaN])
        await refuse(size, /integer from 1 to 4096 or \{ width, height \} of such or .* for option imageSize/);
    });

    it('and refuse one with more patches than any array holds', async () => {
      const config = { hidden_size: 2048, num_attention_heads: 16, patch_size: 1 };
      const loading = QAViT.load(changed('siglip', { config: { vision_config: config } }), { ...CPU, imageSize: 4096 });
      await expectRejection(loading, 'ERR_UNSUPPORTED', /at most 268435456 numbers .* 16777216 of width 2048/);
    });

    it('and say so in the keys of their results', async () => {
      const picture = { data: new Uint8Array(16 * 16 * 3), width: 16, height: 16, channels: 3 } as const;
      const keys = new Set<string>();
      const [wide, upright] = [
        { width: 20, height: 16 },
        { width: 16, height: 20 },
      ];
      for (const imageSize of [undefined, 16, square(16), 20, wide, upright]) {
        await using model = await QAViT.load(tower('vit'), { ...CPU, imageSize });
        keys.add((await model.encode(picture, null)).key);
      }
      expect(keys.size).to.equal(4);
    });
  });

  it('show where a question looks in a picture that is no square', async () => {
    const dinov2 = readTowerFixture(fixture('towers', 'dinov2'));
    const entry = dinov2.cases.find(({ name }) => name === 'adapter, a rectangle')!;
    const { folders, options } = loadingOf(dinov2, entry);
    await using model = await QAViT.load(folders, { ...options, ...CPU });
    const [item] = itemsOf(entry);
    const { difference, grid, picture } = await model.attend(item!.image, item!.question);
    expect(grid).to.deep.equal({ rows: 7, columns: 3 });
    expect(difference).to.have.length(22);
    expect(picture).to.include({ width: 13, height: 28 });
    Object.assign(grid, { rows: 1 });
    expect(model.info.grid.rows).to.equal(7);
  });

  it('put the gate before LayerScale, folded or not', async () => {
    const dinov2 = readTowerFixture(fixture('towers', 'dinov2'));
    const entry = dinov2.cases.find(({ name }) => name === 'adapter, K = 7')!;
    const { folders, options } = loadingOf(dinov2, entry);
    for (const device of ['reference', 'cpu'] as const) {
      const { engine } = await loadModel(folders, { ...options, device, dtype: 'f32' }, false);
      const tokens = await encodeBatch(engine, entry.pixels.data, questionsOf(entry));
      expect(relativeError(tokens, entry.tower.data), device).to.be.below(1e-5);
      await engine.device.close();
    }
  });

  it('show where a question looks beside registers', async () => {
    const registers = readTowerFixture(fixture('towers', 'dinov2-registers'));
    const entry = registers.cases.find(({ name }) => name === 'adapter, K = 7')!;
    const { folders, options } = loadingOf(registers, entry);
    await using model = await QAViT.load(folders, { ...options, ...CPU });
    const [item] = itemsOf(entry);
    const { difference, grid, layers } = await model.attend(item!.image, item!.question);
    expect(difference).to.have.length(20);
    expect(layers.map(({ attention }) => attention.shape)).to.deep.equal([
      [20, 7],
      [20, 7],
    ]);
    const { values } = patchGrid(difference, grid.rows, grid.columns);
    expect([...values]).to.deep.equal([...difference.slice(4)]);
  });

  for (const [name, { beside, matrix }] of Object.entries(FAMILIES)) {
    describe(`refuse a damaged ${name}`, () => {
      const isNaFlex = name.startsWith('siglip2');
      const isQwen = name.startsWith('qwen');
      const load = (change: TowerChange) => QAViT.load({ tower: changed(name, change) }, CPU);

      it('without one of its tensors, and miss none of the others', async () => {
        const names = Object.keys(tensorsOf(name));
        for (const missing of names.filter((each) => !beside?.test(each))) {
          const drop: TowerChange = { tensors: (all) => delete all[missing] };
          const message = new RegExp(`tensor ${missing.replaceAll('.', '\\.')}.* for .*model\\.safetensors .* none`);
          await expectRejection(load(drop), 'ERR_FORMAT', message);
        }
        const spare = names.filter((each) => beside?.test(each));
        if (beside) expect(spare).not.to.have.length(0);
        await using model = await load({ tensors: (all) => spare.forEach((each) => delete all[each]) });
        expect(model.info.M).to.be.above(1);
      });

      it('with a tensor of another shape, of integers, of no finite number, or one too many', async () => {
        const replace = (bytes: (all: ReturnType<typeof tensorsOf>) => void) => load({ tensors: bytes });
        const short = f32([3, 2], new Float32Array(6));
        await expectRejection(
          replace((all) => (all[matrix] = short)),
          'ERR_SHAPE',
          /for tensor .* \[3, 2\]/,
        );
        const integers = (all: ReturnType<typeof tensorsOf>) =>
          (all[matrix] = { ...all[matrix]!, dtype: 'I32' }) as unknown as void;
        await expectRejection(replace(integers), 'ERR_DTYPE', /F32, F16 or BF16 for tensor/);
        const poison = (all: ReturnType<typeof tensorsOf>) => {
          const { bytes } = all[matrix]!;
          new DataView(bytes.buffer, bytes.byteOffset).setFloat32(8, NaN, true);
        };
        await expectRejection(replace(poison), 'ERR_FORMAT', /finite numbers for tensor .* NaN at element 2/);
        const more = (all: ReturnType<typeof tensorsOf>) => void (all['encoder.more.weight'] = short);
        await expectRejection(replace(more), 'ERR_FORMAT', /config\.json describes .* also encoder\.more\.weight/);
      });

      it('whose config.json describes another', async () => {
        const layers = isQwen ? 'depth' : 'num_hidden_layers';
        const width = name === 'qwen2-vl' ? 'embed_dim' : 'hidden_size';
        for (const count of [4, 4096]) {
          const message = /tensor ((encoder\.)?layers?|blocks)\./;
          await expectRejection(load({ config: { [layers]: count } }), 'ERR_FORMAT', message);
        }
        const lying = new RegExp(`an integer from 1 to 4096 for ${layers} of `);
        for (const count of [4097, 4e9, 1e15])
          await expectRejection(load({ config: { [layers]: count } }), 'ERR_FORMAT', lying);
        const wide = /\[48, (3, (2, )?\d, \d|48)\] for tensor/;
        await expectRejection(load({ config: { [width]: 48 } }), 'ERR_SHAPE', wide);
        // Some preprocessors tell the side of a patch, too.
        const preprocessor = isNaFlex || isQwen ? { preprocessor: { patch_size: 3 } } : {};
        const patches = load({ config: { patch_size: 3 }, ...preprocessor });
        await expectRejection(patches, 'ERR_SHAPE', /\[\d+, (3, (2, )?3, 3|27)\] for tensor/);
      });
    });
  }
});
