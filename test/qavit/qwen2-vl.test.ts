import { expect } from 'chai';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { type ModelFolders, QAViT, type VisualTokens } from '../../lib';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { noiseImage } from '../image/support';
import { changeTensors } from '../support/changed-tower';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { expectAnswers, LanguageHalf } from '../support/language-half';
import { f32 } from '../support/safetensors-writer';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import {
  copyPlaced,
  expectedPlaced,
  llavaFolder,
  PLACED,
  placedAdapter,
  placedFolder,
  placedTensors,
  saidBy,
} from '../support/vision-language';

const F32 = { device: 'cpu', dtype: 'f32' } as const;
const QWEN = placedFolder('qwen2_vl');
const FUSED: ModelFolders = { tower: QWEN, adapter: placedAdapter, language: QWEN };
/** One sample's relative error in these dtypes: a few roundings a layer. */
const WITHIN = { f32: 1e-5, bf16: 3e-2, int8: 1e-1 } as const;

describe('Qwen2-VL', () => {
  const at = temporaryFolder();

  const known = {
    qwen2_vl: { L: 4, grid: { rows: 6, columns: 10 }, N: 15 },
    published: { L: 2, grid: { rows: 10, columns: 4 }, N: 10 },
  };
  for (const name of PLACED) {
    describe(name, () => {
      const { picture, projected } = placedTensors(name);
      const { answers } = expectedPlaced(name);
      let model: QAViT;
      before(async () => {
        model = await QAViT.load(placedFolder(name), F32);
      });
      after(() => model.close());

      it('knows itself', () => {
        expect(model.info).to.deep.include({
          visionLanguage: 'Qwen2-VL',
          family: 'Qwen2-VL ViT',
          missingFiles: [],
          image: square(32),
          maxPatches: 64,
          M: 64,
          N: 16,
          C: 16,
          E: 32,
          L: known[name].L,
          layersComputed: known[name].L,
          hasClass: false,
          preprocessing: { resize: { kind: 'nearest-patches', patch: 8, least: 64, most: 1024 }, crop: null },
        });
        expect(model.info.language).to.include({ kind: 'decoder-only', width: 32, visionLanguage: 'Qwen2-VL' });
      });

      for (const [dtype, within] of Object.entries(WITHIN) as ['f32', number][]) {
        it(`projects transformers' visual tokens in ${dtype}`, async () => {
          await using same = await QAViT.load({ tower: placedFolder(name) }, { device: 'cpu', dtype });
          const { data, shape, grid } = await same.encode(picture, null);
          expect(shape).to.deep.equal(projected.shape);
          expect(grid).to.deep.equal(known[name].grid);
          expect(relativeError(data, projected.data)).to.be.below(within);
        });
      }

      it('projects several pictures at once, each as alone', async () => {
        const pictures = [picture, noiseImage(31, 57), noiseImage(24, 24), picture, noiseImage(100, 3)];
        const alone = await Promise.all(pictures.map((each) => model.encode(each, null)));
        const together = await model.encodeBatch(pictures.map((image) => ({ image, question: null })));
        expect(together).to.deep.equal(alone);
        expect(together.map(({ shape: [rows] }) => rows)).to.deep.equal([known[name].N, 10, 9, known[name].N, 6]);
      });

      it("asks in transformers' tokens, and says its answers", async () => {
        await expectAnswers(model, placedFolder(name), picture, answers);
      });

      it('refuses tiles', async () => {
        const loading = QAViT.load(placedFolder(name), { ...F32, tiles: 4 });
        await expectRejection(loading, 'ERR_UNSUPPORTED', /tiles/);
      });
    });
  }

  it("says PyTorch's answers token for token with an adapter", async () => {
    const { picture } = placedTensors('qwen2_vl');
    const { fused } = expectedPlaced('qwen2_vl');
    await using model = await QAViT.load(FUSED, F32);
    expect(model.info).to.deep.include({ fusedLayers: [2, 3], E: 32, Dq: 32 });
    expect(fused.length).to.equal(3);
    await expectAnswers(model, QWEN, picture, fused, { fused: true });
    const { difference, grid } = await model.attend(picture, 'what is this?');
    expect(grid).to.deep.equal(known.qwen2_vl.grid);
    expect(difference).to.have.length(60);
  });

  describe('sees pictures', () => {
    const { picture, projected } = placedTensors('qwen2_vl');

    it('in fewer patches where it is told to, by its own rule', async () => {
      await using model = await QAViT.load(QWEN, { ...F32, imageSize: { maxPatches: 30 } });
      const resize = { kind: 'nearest-patches', patch: 8, least: 64, most: 448 };
      expect(model.info).to.deep.include({ maxPatches: 28, N: 7, preprocessing: { resize, crop: null } });
      using seen = await model.look(picture);
      expect(seen.picture).to.include({ width: 24, height: 16 });
      await using few = await QAViT.load(QWEN, { ...F32, imageSize: { maxPatches: 4 } });
      expect(few.info).to.deep.include({ maxPatches: 4, N: 1 });
      const none = QAViT.load(QWEN, { ...F32, imageSize: { maxPatches: 3 } });
      await expectRejection(none, 'ERR_ARGUMENT', /at least 4 for option maxPatches of imageSize but received 3$/);
    });

    it('squeezed into one size where it is told to, and its language model hears where rows are', async () => {
      await using model = await QAViT.load(QWEN, { ...F32, imageSize: { width: 40, height: 24 } });
      expect(model.info).to.deep.include({ maxPatches: null, N: 15 });
      const tokens = await model.encode(picture, null);
      expect(tokens.grid).to.deep.equal({ rows: 6, columns: 10 });
      expect(relativeError(tokens.data, projected.data)).to.be.below(1e-5);
      const [asked] = expectedPlaced('qwen2_vl').answers;
      expect(await saidBy(model, picture, asked!)).to.equal(asked!.text);
      const odd = QAViT.load(QWEN, { ...F32, imageSize: { width: 40, height: 20 } });
      await expectRejection(odd, 'ERR_UNSUPPORTED', /patches in squares of 2 x 2 .* 5 rows of 10/);
    });

    it('line by line, with a table for one, to the same bits', async () => {
      for (const dtype of ['f32', 'bf16', 'int8'] as const) {
        await using shaped = await QAViT.load(FUSED, { device: 'cpu', dtype });
        await using sized = await QAViT.load(FUSED, { device: 'cpu', dtype, imageSize: { width: 40, height: 24 } });
        const before = shaped.info.memory.weightBytes;
        const [one, other] = await Promise.all([shaped, sized].map((model) => model.encode(picture, 'what is it?')));
        expect(one!.data).to.deep.equal(other!.data);
        // 10 patches a line of width 16, and of all 60 the angles of heads of 8, in f32.
        expect(shaped.info.memory.weightBytes - before).to.equal((10 * 16 + 60 * 8) * 4);
      }
    });

    it('that are not too thin', async () => {
      await using model = await QAViT.load(QWEN, F32);
      const message = /edges of at most 1 to 200 for a picture in whole patches but received 201 x 1 pixels$/;
      await expectRejection(model.encode(noiseImage(201, 1), null), 'ERR_ARGUMENT', message);
    });
  });

  describe('language model', () => {
    const { picture } = placedTensors('qwen2_vl');
    const answered = async (tokens: VisualTokens): Promise<string> => {
      const language = await loadLanguageModel(QWEN);
      try {
        let text = '';
        for await (const piece of language.generate(tokens, 'what is it?', { maxNewTokens: 4 })) text += piece;
        return text;
      } finally {
        await language.close();
      }
    };
    let tokens: VisualTokens;
    before(async () => {
      await using model = await QAViT.load({ tower: QWEN }, F32);
      tokens = await model.encode(picture, null);
    });

    it('hears where in the picture rows are', async () => {
      const turned = { ...tokens, grid: { rows: 10, columns: 6 } };
      expect(await answered(turned)).to.not.equal(await answered(tokens));
    });

    it('refuses tokens that do not say it, or something that cannot be', async () => {
      const refuse = (grid: unknown, code: 'ERR_ARGUMENT' | 'ERR_SHAPE', message: RegExp) =>
        expectRejection(answered({ ...tokens, grid: grid as VisualTokens['grid'] }), code, message);
      await refuse(undefined, 'ERR_ARGUMENT', /the grid of the picture's patches for the visual tokens for .* none$/);
      await refuse({ rows: 6 }, 'ERR_ARGUMENT', /\{ rows, columns \} for the grid of visual tokens/);
      await refuse({ rows: 6, columns: 6 }, 'ERR_SHAPE', /one for each 2 x 2 patches .* 15 for 6 x 6 patches$/);
      await refuse({ rows: 60, columns: 1 }, 'ERR_SHAPE', /15 for 60 x 1 patches$/);
    });

    it('has a decoder that asks for three places of a row', async () => {
      const folder = copyPlaced('qwen2_vl', at('in turn'));
      const file = path.join('onnx', 'decoder_model_merged.onnx');
      copyFileSync(path.join(llavaFolder('clip-llama'), file), path.join(folder, file));
      const message = /int64 with 3 dimensions for position_ids of .*decoder_model_merged\.onnx/;
      await expectRejection(QAViT.load(folder, F32), 'ERR_UNSUPPORTED', message);
    });
  });

  it('says what it is in words of its own', async () => {
    await using model = await QAViT.load(QWEN, F32);
    const { folders, language } = model.info;
    folders.tower = 'elsewhere';
    Object.assign(language!, { width: 5 });
    expect(model.info.folders.tower).to.equal(QWEN);
    expect(model.info.language!.width).to.equal(32);
  });

  describe('folders', () => {
    const { picture, projected } = placedTensors('qwen2_vl');
    const errorOf = async (folder: string): Promise<number> => {
      await using model = await QAViT.load({ tower: folder }, F32);
      return relativeError((await model.encode(picture, null)).data, projected.data);
    };

    it('may have the names of transformers 5, without the language half', async () => {
      const folder = copyPlaced('qwen2_vl', at('renamed'));
      changeTensors(folder, (all) => {
        for (const [name, tensor] of Object.entries(all)) {
          delete all[name];
          if (name.startsWith('visual.')) all[`model.${name}`] = tensor;
        }
      });
      expect(await errorOf(folder)).to.be.below(1e-5);
    });

    it('may leave the name of their image processor out', async () => {
      const unnamed = { 'preprocessor_config.json': { image_processor_type: undefined } };
      expect(await errorOf(copyPlaced('qwen2_vl', at('unnamed'), unnamed))).to.be.below(1e-5);
    });

    it('without a chat template are asked as the model was trained', async () => {
      const half = await LanguageHalf.open(copyPlaced('published', at('plain'), { 'chat_template.json': null }));
      const templated = await LanguageHalf.open(placedFolder('published'));
      const asked = { question: 'what digit is it?', ids: [] };
      expect(await half.prompted(asked)).to.deep.equal(await templated.prompted(asked));
      await templated.close();
    });

    const vision = { depth: 4, embed_dim: 16, num_heads: 2, mlp_ratio: 2, patch_size: 4, hidden_act: 'quick_gelu' };
    for (const [file, fields, code, message] of [
      ['config.json', { vision_config: 5 }, 'ERR_FORMAT', /an object for vision_config of /],
      [
        'config.json',
        { vision_config: { ...vision, spatial_merge_size: 0 } },
        'ERR_FORMAT',
        /a positive integer for spatial_merge_size in vision_config/,
      ],
      ['config.json', { vision_config: { ...vision, spatial_merge_size: 3 } }, 'ERR_FORMAT', /12, as of .*received 8$/],
      ['config.json', { image_token_id: 296 }, 'ERR_FORMAT', /below vocab_size 296 for image_token_id of /],
      [
        'preprocessor_config.json',
        { patch_size: 5 },
        'ERR_FORMAT',
        /8, as of .* patch_size times merge_size of .* 10$/,
      ],
      [
        'preprocessor_config.json',
        { merge_size: 3 },
        'ERR_FORMAT',
        /8, as of .* patch_size times merge_size of .* 12$/,
      ],
    ] as const) {
      it(`refuse ${JSON.stringify(fields)}`, async () => {
        const folder = copyPlaced('qwen2_vl', at('refused'), { [file]: fields });
        await expectRejection(QAViT.load(folder, F32), code, message);
      });
    }

    it('refuse a merger that is missing or has another shape', async () => {
      for (const [tensor, other, code, message] of [
        ['merger.ln_q.weight', undefined, 'ERR_FORMAT', /merger\.ln_q\.weight \[16\]/],
        ['merger.mlp.0.weight', f32([64, 32], new Float32Array(2048)), 'ERR_SHAPE', /\[64, 64\] .* \[64, 32\]/],
        ['merger.mlp.2.weight', f32([32, 32], new Float32Array(1024)), 'ERR_SHAPE', /\[32, 64\] .* \[32, 32\]/],
        ['merger.mlp.2.bias', undefined, 'ERR_FORMAT', /tensor merger\.mlp\.2\.bias \[32\]/],
      ] as const) {
        const folder = copyPlaced('qwen2_vl', at('without'));
        changeTensors(folder, (all) => {
          delete all[`visual.${tensor}`];
          if (other) all[`visual.${tensor}`] = other;
        });
        await expectRejection(QAViT.load({ tower: folder }, F32), code, message);
      }
    });
  });
});
