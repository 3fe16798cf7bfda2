import { expect } from 'chai';
import { cpSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type LoadOptions, type ModelFolders, QAViT, type VisualTokens } from '../../lib';
import { layerNorm, linear } from '../../lib/ops';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { LanguageHalf } from '../support/language-half';
import { noiseImage } from '../image/support';
import { changeTensors } from '../support/changed-tower';
import { writeJson } from '../support/random-model';
import { readSafetensors, type StoredTensor } from '../support/safetensors';
import { f32 } from '../support/safetensors-writer';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import {
  copyMerging,
  expectedMerging,
  mergingAdapter,
  mergingFolder,
  type MergingName,
  MERGING,
  mergingTensors,
  saidBy,
} from '../support/vision-language';

const F32 = { device: 'cpu', dtype: 'f32' } as const;
const SMOLVLM = mergingFolder('smolvlm');
const fusedFolders = (name: MergingName): ModelFolders => ({
  tower: mergingFolder(name),
  adapter: mergingAdapter(name),
  language: mergingFolder(name),
});
/** One sample's relative error in these dtypes: a few roundings a layer. */
const WITHIN = { f32: 1e-5, bf16: 3e-2, int8: 1e-1 } as const;

function towerConfig(name: MergingName): object {
  const config = JSON.parse(readFileSync(path.join(mergingFolder(name), 'config.json'), 'utf8')) as object;
  return (config as { vision_config: object }).vision_config;
}

describe('models whose projector makes one row of several patches', () => {
  const at = temporaryFolder();

  const known = {
    smolvlm: { visionLanguage: 'SmolVLM', family: 'SigLIP', trainedImage: square(24), M: 36, N: 9, C: 16, L: 4 },
    idefics3: { visionLanguage: 'Idefics3', family: 'SigLIP', trainedImage: square(16), M: 36, N: 4, C: 24, L: 2 },
    internvl: { visionLanguage: 'InternVL', family: 'InternViT', trainedImage: square(24), M: 37, N: 9, C: 16, L: 4 },
  };
  for (const name of MERGING) {
    describe(name, () => {
      const { picture, projected } = mergingTensors(name);
      const { answers } = expectedMerging(name);
      let model: QAViT;
      before(async () => {
        model = await QAViT.load(mergingFolder(name), F32);
      });
      after(() => model.close());

      it('knows itself', () => {
        expect(model.info).to.deep.include({ ...known[name], image: square(24), E: 32, hasClass: name === 'internvl' });
        expect(model.info.layersComputed).to.equal(model.info.L);
        expect(model.info.preprocessing).to.deep.equal({
          resize: { kind: 'exact', width: 24, height: 24 },
          crop: null,
        });
        expect(model.info.language).to.include({ kind: 'decoder-only', width: 32 });
      });

      for (const [dtype, within] of Object.entries(WITHIN) as ['f32', number][]) {
        it(`projects transformers' visual tokens in ${dtype}`, async () => {
          await using same = await QAViT.load({ tower: mergingFolder(name) }, { device: 'cpu', dtype });
          const { data, shape } = await same.encode(picture, null);
          expect(shape).to.deep.equal(projected.shape);
          expect(relativeError(data, projected.data)).to.be.below(within);
        });
      }

      it('projects several pictures at once, each as alone', async () => {
        const pictures = [picture, noiseImage(31, 57), noiseImage(24, 24), picture];
        const alone = await Promise.all(pictures.map((each) => model.encode(each, null)));
        const together = await model.encodeBatch(pictures.map((image) => ({ image, question: null })));
        expect(together).to.deep.equal(alone);
        expect(together[1]!.data).to.not.deep.equal(together[0]!.data);
      });

      it("hands over the tower's own tokens, before its last norm and each for itself", async () => {
        const { shape } = await model.encode(picture, null, { output: 'tower' });
        expect(shape).to.deep.equal([36, known[name].C]);
      });

      it("asks in transformers' tokens, and says its answers", async () => {
        const half = await LanguageHalf.open(mergingFolder(name));
        try {
          const tokens = await model.encode(picture, null);
          for (const asked of answers) {
            expect(await half.prompted(asked)).to.deep.equal(asked.ids);
            expect(await half.greedy(tokens, asked)).to.deep.equal(asked.tokens);
            expect(await saidBy(model, picture, asked)).to.equal(asked.text);
          }
        } finally {
          await half.close();
        }
      });
    });
  }

  describe('with an adapter', () => {
    const { picture } = mergingTensors('smolvlm');
    const { fused } = expectedMerging('smolvlm');

    for (const name of ['smolvlm', 'internvl'] as const) {
      it(`says PyTorch's answers token for token: ${name}`, () => saysAnswers(name));
    }

    async function saysAnswers(name: MergingName): Promise<void> {
      const { picture } = mergingTensors(name);
      const { fused, answers } = expectedMerging(name);
      await using model = await QAViT.load(fusedFolders(name), F32);
      expect(model.info).to.deep.include({ fusedLayers: [2, 3], N: 9, E: 32, Dq: 32 });
      const half = await LanguageHalf.open(mergingFolder(name));
      try {
        expect(fused.length).to.equal(3);
        for (const asked of fused) {
          const tokens = await model.encode(picture, asked.question);
          expect(await half.greedy(tokens, asked)).to.deep.equal(asked.tokens);
          expect(await saidBy(model, picture, asked)).to.equal(asked.text);
        }
      } finally {
        await half.close();
      }
      // What every patch attends to, and how far it moves, is about patches, not about rows of the projector.
      const maps = await model.attend(picture, answers[0]!.question);
      expect(maps.grid).to.deep.equal({ rows: 6, columns: 6 });
      expect(maps.difference.length).to.equal(known[name].M);
    }

    it('looks at a picture once for all questions', async () => {
      await using model = await QAViT.load(fusedFolders('smolvlm'), F32);
      using seen = await model.look(picture);
      for (const { question } of fused) {
        const [one, other] = await Promise.all([model.encode(seen, question), model.encode(picture, question)]);
        expect(one.data).to.deep.equal(other.data);
        expect(one.shape).to.deep.equal([9, 32]);
      }
    });

    it('hands every patch to a projector that the adapter brings', async () => {
      const own = at('own');
      cpSync(mergingAdapter('smolvlm'), own, { recursive: true });
      const config = path.join(own, 'config.json');
      const fields = JSON.parse(readFileSync(config, 'utf8')) as object;
      writeJson(config, { ...fields, translation_mlp: { layers: 1, activation: 'relu' } });
      changeTensors(own, (all) => {
        all['translation_mlp.layers.0.weight'] = f32([20, 16], new Float32Array(320).fill(0.1));
        all['translation_mlp.layers.0.bias'] = f32([20], new Float32Array(20));
      });
      await using model = await QAViT.load({ tower: SMOLVLM, adapter: own }, F32);
      expect(model.info).to.include({ E: 20, N: 36 });
      expect((await model.encode(picture, null)).shape).to.deep.equal([36, 20]);
    });

    it('does not select tokens that are projected together', async () => {
      const selecting = at('selecting');
      cpSync(mergingAdapter('smolvlm'), selecting, { recursive: true });
      changeTensors(selecting, (all) => (all['token_selector.weight'] = f32([1, 16], new Float32Array(16).fill(1))));
      const message = /an adapter without token_selector, .* for a projector that makes one row of several tokens/;
      await expectRejection(
        QAViT.load({ ...fusedFolders('smolvlm'), adapter: selecting }, F32),
        'ERR_UNSUPPORTED',
        message,
      );
    });
  });

  describe('folders', () => {
    const { picture, projected } = mergingTensors('smolvlm');

    async function tokensOf(folder: string, imageSize?: LoadOptions['imageSize']): Promise<VisualTokens> {
      await using model = await QAViT.load({ tower: folder }, { ...F32, imageSize });
      return await model.encode(picture, null);
    }

    it('take pictures of another size that has whole squares', async () => {
      expect((await tokensOf(SMOLVLM, 32)).shape).to.deep.equal([16, 32]);
      const message =
        /patches in squares of 2 x 2 for .*config\.json but received 7 rows of 7 \(28 x 28 pixels in patches of 4\)/;
      await expectRejection(tokensOf(SMOLVLM, 28), 'ERR_UNSUPPORTED', message);
      for (const [size, found] of [
        [{ width: 24, height: 20 }, /for .*config\.json .* 5 rows of 6 \(24 x 20 pixels in patches of 4\)/],
        [{ width: 20, height: 24 }, /for .*config\.json .* 6 rows of 5 \(20 x 24 pixels in patches of 4\)/],
      ] as const) {
        await expectRejection(tokensOf(SMOLVLM, size), 'ERR_UNSUPPORTED', found);
      }
    });

    it('take rectangles, whose squares of patches are rows of their own', async () => {
      const size = { width: 32, height: 16 };
      await using model = await QAViT.load({ tower: SMOLVLM }, { ...F32, imageSize: size });
      const patches = await model.encode(picture, null, { output: 'tower' });
      expect(patches.shape).to.deep.equal([32, 16]);
      const tensors = readSafetensors(path.join(SMOLVLM, 'model.safetensors'));
      const take = (end: string): StoredTensor<Float32Array> => {
        const [found] = [...tensors].filter(([name]) => name.endsWith(end)).map(([, tensor]) => tensor);
        return found as StoredTensor<Float32Array>;
      };
      const [gamma, beta] = ['weight', 'bias'].map((part) => take(`vision_model.post_layernorm.${part}`));
      const normed = await layerNorm(patches, { gamma, beta, eps: 1e-6 });
      const rows = [0, 2].flatMap((top) => [0, 2, 4, 6].map((left) => 8 * top + left));
      const squares = rows.flatMap((first) =>
        [0, 1, 8, 9].flatMap((next) => [...normed.data.slice((first + next) * 16, (first + next + 1) * 16)]),
      );
      const joined = { data: Float32Array.from(squares), shape: [8, 64] };
      const wanted = await linear(joined, { weight: take('modality_projection.proj.weight') });
      const { data, shape } = await model.encode(picture, null);
      expect(shape).to.deep.equal([8, 32]);
      expect(relativeError(data, wanted.data)).to.be.below(1e-6);
    });

    it('are not cut into tiles where pictures are no squares', async () => {
      const message = /0 \(tiles are squares, and these pictures are not\) for option tiles but received/;
      for (const tiles of [4, 'auto'] as const) {
        const loading = QAViT.load({ tower: SMOLVLM }, { ...F32, tiles, imageSize: { width: 32, height: 16 } });
        await expectRejection(loading, 'ERR_UNSUPPORTED', message);
      }
    });

    it('may have the names of a file of old', async () => {
      const folder = copyMerging('smolvlm', at('old'));
      changeTensors(folder, (all) => {
        for (const [name, tensor] of Object.entries(all)) {
          delete all[name];
          all[name.replace(/^model\./, '')] = tensor;
        }
      });
      expect(relativeError((await tokensOf(folder)).data, projected.data)).to.be.below(1e-5);
    });

    it('may leave the name of their image processor out', async () => {
      for (const name of MERGING) {
        const { picture, projected } = mergingTensors(name);
        const unnamed = { 'preprocessor_config.json': { image_processor_type: undefined } };
        await using model = await QAViT.load(
          { tower: copyMerging(name, at('unnamed'), unnamed) },
          { ...F32, tiles: 9 },
        );
        const { data } = await model.encode(picture, null);
        expect(relativeError(data, projected.data)).to.be.below(1e-5);
      }
    });

    it('need no weights of the language half', async () => {
      const folder = copyMerging('smolvlm', at('vision'));
      changeTensors(folder, (all) => {
        for (const name of Object.keys(all)) if (/text_model|lm_head/.test(name)) delete all[name];
      });
      expect(relativeError((await tokensOf(folder)).data, projected.data)).to.be.below(1e-5);
    });

    it('without a chat template are asked as SmolVLM is', async () => {
      const folder = copyMerging('smolvlm', at('plain'), { 'chat_template.json': null });
      const half = await LanguageHalf.open(folder);
      const [asked] = expectedMerging('smolvlm').answers;
      expect(await half.prompted(asked!)).to.deep.equal(asked!.ids);
    });

    it('of InternVL pass the norm of a tower that does not pool', async () => {
      const unpooled = { 'config.json': { vision_config: { ...towerConfig('internvl'), use_mean_pooling: false } } };
      const { picture, projected } = mergingTensors('internvl');
      const encode = async (gamma: number): Promise<VisualTokens> => {
        const folder = copyMerging('internvl', at('unpooled'), unpooled);
        changeTensors(folder, (all) => {
          all['vision_tower.layernorm.weight'] = f32([16], new Float32Array(16).fill(gamma));
          all['vision_tower.layernorm.bias'] = f32(
            [16],
            Float32Array.from({ length: 16 }, (_, i) => i),
          );
        });
        await using model = await QAViT.load({ tower: folder }, F32);
        return await model.encode(picture, null);
      };
      // Without a factor all patches are the same.
      const { data } = await encode(0);
      for (let row = 1; row < 9; row++)
        expect(data.subarray(32 * row, 32 * (row + 1))).to.deep.equal(data.subarray(0, 32));
      expect(relativeError((await encode(1)).data, projected.data)).to.be.above(0.1);
      const missing = copyMerging('internvl', at('unpooled'), unpooled);
      const message = /tensor layernorm\.weight \[16\]/;
      await expectRejection(QAViT.load({ tower: missing }, F32), 'ERR_FORMAT', message);
    });

    it('of InternVL hand over squares of patches, not the class token', async () => {
      const loading = QAViT.load({ tower: mergingFolder('internvl') }, { ...F32, keepClass: true });
      await expectRejection(loading, 'ERR_UNSUPPORTED', /patches alone for a projector that makes one row of several/);
    });

    const refusals: [MergingName, object, 'ERR_FORMAT' | 'ERR_SHAPE' | 'ERR_UNSUPPORTED', RegExp][] = [
      ['smolvlm', { scale_factor: 0 }, 'ERR_FORMAT', /a positive integer for scale_factor of /],
      ['smolvlm', { scale_factor: 4 }, 'ERR_UNSUPPORTED', /squares of 4 x 4 .* 6 rows of 6/],
      ['smolvlm', { scale_factor: 3 }, 'ERR_SHAPE', /\[32, 144\] for tensor model\.connector.* \[32, 64\]/],
      ['smolvlm', { vision_config: 5 }, 'ERR_FORMAT', /an object for vision_config of /],
      ['internvl', { downsample_ratio: 0.4 }, 'ERR_UNSUPPORTED', /1, 1\/2, 1\/3, \.\.\. for downsample_ratio of /],
      ['internvl', { downsample_ratio: 0 }, 'ERR_FORMAT', /a positive number for downsample_ratio of /],
      ['internvl', { vision_feature_layer: [-1, -2] }, 'ERR_UNSUPPORTED', /one layer for vision_feature_layer/],
      ['internvl', { vision_feature_select_strategy: 'full' }, 'ERR_UNSUPPORTED', /patches alone/],
      ['internvl', { projector_hidden_act: 'mish' }, 'ERR_UNSUPPORTED', /for projector_hidden_act of /],
      ['internvl', { vision_config: 5 }, 'ERR_FORMAT', /an object for vision_config of /],
      [
        'internvl',
        { vision_config: { use_mean_pooling: 0 } },
        'ERR_FORMAT',
        /true or false for use_mean_pooling of vision_config/,
      ],
      ['idefics3', { image_token_id: 300 }, 'ERR_FORMAT', /below vocab_size 296 for image_token_id of /],
      ['idefics3', { image_token_id: 295 }, 'ERR_FORMAT', /a token 295 \(image_token_id of config\.json\)/],
    ];
    for (const [name, fields, code, message] of refusals) {
      it(`refuse ${JSON.stringify(fields)}`, async () => {
        const folder = copyMerging(name, at('refused'), { 'config.json': fields as Record<string, unknown> });
        await expectRejection(QAViT.load(folder, F32), code, message);
      });
    }

    it('refuse tiles of a size that no tower takes', async () => {
      const folder = copyMerging('smolvlm', at('tiny'), {
        'preprocessor_config.json': { max_image_size: { longest_edge: 3 } },
      });
      const message = /edges of 4 to 4096 pixels for max_image_size of .*preprocessor_config\.json but received 3 x 3$/;
      await expectRejection(QAViT.load({ tower: folder }, F32), 'ERR_FORMAT', message);
    });

    it('refuse a norm or a map that is missing', async () => {
      for (const [name, message] of [
        ['model.vision_model.post_layernorm.weight', /tensor post_layernorm\.weight \[16\]/],
        ['model.connector.modality_projection.proj.weight', /tensor connector\.modality_projection\.proj\.weight/],
      ] as const) {
        const folder = copyMerging('smolvlm', at('without'));
        changeTensors(folder, (all) => delete all[name]);
        await expectRejection(QAViT.load({ tower: folder }, F32), 'ERR_FORMAT', message);
      }
    });
  });
});
