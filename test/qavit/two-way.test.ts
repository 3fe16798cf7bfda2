import { expect } from 'chai';
import { copyFileSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { type ModelFolders, QAViT } from '../../lib';
import { noiseImage } from '../image/support';
import { changeTensors } from '../support/changed-tower';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { expectAnswers, LanguageHalf } from '../support/language-half';
import { writeJson } from '../support/random-model';
import { f32 } from '../support/safetensors-writer';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import {
  copyTwoWay,
  expectedTwoWay,
  llavaFolder,
  saidBy,
  TWO_WAY,
  twoWayAdapter,
  twoWayFolder,
  type TwoWayName,
  twoWayTensors,
} from '../support/vision-language';

const F32 = { device: 'cpu', dtype: 'f32' } as const;
const fusedFolders = (name: TwoWayName): ModelFolders => ({
  tower: twoWayFolder(name),
  adapter: twoWayAdapter(name),
  language: twoWayFolder(name),
});
/** One sample's relative error in these dtypes: a few roundings a layer. */
const WITHIN = { f32: 1e-5, bf16: 3e-2, int8: 1e-1 } as const;

describe('models whose rows see each other in both directions', () => {
  const at = temporaryFolder();

  const known = {
    paligemma: { visionLanguage: 'PaliGemma', image: square(16), M: 16, N: 16, C: 24, L: 4 },
    paligemma2: { visionLanguage: 'PaliGemma', image: square(15), M: 9, N: 9, C: 16, L: 2 },
    gemma3: { visionLanguage: 'Gemma 3', image: square(24), M: 36, N: 9, C: 16, L: 4 },
  };
  for (const name of TWO_WAY) {
    describe(name, () => {
      const { picture, projected } = twoWayTensors(name);
      const { answers } = expectedTwoWay(name);
      let model: QAViT;
      before(async () => {
        model = await QAViT.load(twoWayFolder(name), F32);
      });
      after(() => model.close());

      it('knows itself', () => {
        expect(model.info).to.deep.include({ ...known[name], family: 'SigLIP', E: 32, hasClass: false });
        expect(model.info.layersComputed).to.equal(model.info.L);
        expect(model.info.language).to.include({ kind: 'decoder-only', width: 32 });
      });

      for (const [dtype, within] of Object.entries(WITHIN) as ['f32', number][]) {
        it(`projects transformers' visual tokens in ${dtype}`, async () => {
          await using same = await QAViT.load({ tower: twoWayFolder(name) }, { device: 'cpu', dtype });
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

      it("asks in transformers' tokens, and says its answers", async () => {
        await expectAnswers(model, twoWayFolder(name), picture, answers);
      });

      it('answers about no tiles', async () => {
        const loading = QAViT.load(twoWayFolder(name), { ...F32, tiles: 4 });
        await expectRejection(loading, 'ERR_UNSUPPORTED', /tiles/);
      });
    });
  }

  describe('with an adapter', () => {
    for (const name of ['paligemma', 'gemma3'] as const) {
      it(`says PyTorch's answers token for token: ${name}`, async () => {
        const { picture } = twoWayTensors(name);
        const { fused } = expectedTwoWay(name);
        await using model = await QAViT.load(fusedFolders(name), F32);
        expect(model.info).to.deep.include({ fusedLayers: [2, 3], N: known[name].N, E: 32, Dq: 32 });
        expect(fused.length).to.equal(3);
        await expectAnswers(model, twoWayFolder(name), picture, fused, { fused: true });
        const maps = await model.attend(picture, 'what is this?');
        expect(maps.difference.length).to.equal(known[name].M);
      });
    }

    it('reads questions by the scaled rows of the embedding table where the language model is elsewhere', async () => {
      // Its ONNX files would be taken first.
      const questions = copyTwoWay('paligemma', at('elsewhere'), { onnx: null });
      const { tower, adapter } = fusedFolders('paligemma');
      const { picture } = twoWayTensors('paligemma');
      await using elsewhere = await QAViT.load({ tower, adapter, questions }, F32);
      await using whole = await QAViT.load(fusedFolders('paligemma'), F32);
      for (const { question } of expectedTwoWay('paligemma').fused) {
        const [one, other] = await Promise.all([elsewhere, whole].map((model) => model.encode(picture, question)));
        expect(one!.data).to.deep.equal(other!.data);
      }
    });
  });

  describe('folders', () => {
    const { picture, projected } = twoWayTensors('gemma3');
    const errorOf = async (folder: string): Promise<number> => {
      await using model = await QAViT.load({ tower: folder }, F32);
      return relativeError((await model.encode(picture, null)).data, projected.data);
    };

    it('may have other names, and of several files that one alone which holds the vision half', async () => {
      for (const [mine, theirs] of [
        ['vision_tower.', 'model.vision_tower.vision_model.'],
        ['multi_modal_projector.', 'model.multi_modal_projector.'],
      ] as const) {
        const folder = copyTwoWay('gemma3', at('renamed'));
        const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
        const weight_map: Record<string, string> = {};
        changeTensors(folder, (all) => {
          for (const [name, tensor] of Object.entries(all)) {
            delete all[name];
            const isVision = /^(vision_tower|multi_modal_projector)\./.test(name);
            const given = name.startsWith(mine) ? name.replace(mine, theirs) : name;
            if (isVision) all[given] = tensor;
            weight_map[given] = shards[isVision ? 0 : 1];
          }
        });
        renameSync(path.join(folder, 'model.safetensors'), path.join(folder, shards[0]));
        writeJson(path.join(folder, 'model.safetensors.index.json'), { weight_map });
        expect(await errorOf(folder)).to.be.below(1e-5);
      }
    });

    it('may leave the name of their image processor out, and fields that have defaults', async () => {
      const processor = (
        JSON.parse(readFileSync(path.join(twoWayFolder('gemma3'), 'processor_config.json'), 'utf8')) as {
          image_processor: object;
        }
      ).image_processor;
      const unnamed = {
        'processor_config.json': { image_processor: { ...processor, image_processor_type: undefined } },
      };
      expect(await errorOf(copyTwoWay('gemma3', at('unnamed'), unnamed))).to.be.below(1e-5);
    });

    it('without a chat template are asked in plain words', async () => {
      const half = await LanguageHalf.open(copyTwoWay('gemma3', at('plain'), { 'chat_template.jinja': null }));
      const templated = await LanguageHalf.open(twoWayFolder('gemma3'));
      const asked = { question: 'what digit is it?', ids: [] };
      const plain = await half.prompted(asked);
      // <bos>, two lines, <start_of_image>, the picture, <end_of_image>, two lines, the question.
      expect(plain.slice(0, 8)).to.deep.equal([0, 205, 205, 3, 2, 4, 205, 205]);
      expect((await templated.prompted(asked)).join(' ')).to.include(plain.slice(1).join(' '));
      await templated.close();
    });

    it('may hold a prompt of their own', async () => {
      const form = { 'config.json': { prompt_template: '<image><bos>answer en {question}\n' } };
      const half = await LanguageHalf.open(copyTwoWay('paligemma', at('prompt'), form));
      const asked = await half.prompted({ question: 'what is it?', ids: [] });
      const usual = await LanguageHalf.open(twoWayFolder('paligemma'));
      expect(asked).to.deep.equal(await usual.prompted({ question: 'answer en what is it?', ids: [] }));
      expect(asked.slice(0, 2)).to.deep.equal([2, 0]);
    });

    it('of a PaliGemma have an embedding layer that multiplies its rows, as decoders of old do not expect', async () => {
      const folder = copyTwoWay('paligemma', at('unscaled'));
      // Of the same size, without a factor.
      copyFileSync(
        path.join(llavaFolder('clip-llama'), 'onnx', 'embed_tokens.onnx'),
        path.join(folder, 'onnx', 'embed_tokens.onnx'),
      );
      const message = /multiplies its rows .* for .*embed_tokens\.onnx but received one without a Mul/;
      await expectRejection(QAViT.load(folder, F32), 'ERR_UNSUPPORTED', message);
    });

    it('take no words that spell a picture', async () => {
      await using model = await QAViT.load(twoWayFolder('gemma3'), F32);
      for (const mark of ['<start_of_image>', '<image_soft_token>']) {
        const message = new RegExp(`a text without ${mark} for the question`);
        await expectRejection(saidBy(model, picture, { question: `what is ${mark}?` }), 'ERR_ARGUMENT', message);
      }
    });

    it('have decoders that are told which rows are the picture’s, where they ask', async () => {
      const { answers } = expectedTwoWay('gemma3');
      await using model = await QAViT.load({ tower: twoWayFolder('gemma3') }, F32);
      const tokens = await model.encode(picture, null);
      const half = await LanguageHalf.open(twoWayFolder('gemma3'));
      const said = await Promise.all(answers.map((asked) => half.greedy(tokens, asked)));
      half.tellNothing();
      const untold = await Promise.all(answers.map((asked) => half.greedy(tokens, asked)));
      expect(untold).to.not.deep.equal(said);
      await half.close();
    });

    const refusals: [TwoWayName, object, 'ERR_FORMAT' | 'ERR_SHAPE' | 'ERR_UNSUPPORTED', RegExp][] = [
      ['gemma3', { mm_tokens_per_image: 0 }, 'ERR_FORMAT', /a positive integer for mm_tokens_per_image of /],
      [
        'gemma3',
        { mm_tokens_per_image: 16 },
        'ERR_UNSUPPORTED',
        /divisor of 6, .* mm_tokens_per_image of .* received 16$/,
      ],
      ['gemma3', { mm_tokens_per_image: 8 }, 'ERR_UNSUPPORTED', /mm_tokens_per_image of .* received 8$/],
      ['gemma3', { vision_config: 5 }, 'ERR_FORMAT', /an object for vision_config of /],
      [
        'gemma3',
        { vision_config: { patch_size: 0 } },
        'ERR_FORMAT',
        /a positive integer for patch_size of vision_config/,
      ],
      [
        'paligemma',
        { vision_config: { model_type: 'clip_vision_model' } },
        'ERR_UNSUPPORTED',
        /"siglip_vision_model" for model_type in vision_config of .* received "clip_vision_model"$/,
      ],
      ['gemma3', { vision_config: { model_type: 'siglip' } }, 'ERR_UNSUPPORTED', /for model_type in vision_config of /],
      ['paligemma', { vision_config: [] }, 'ERR_FORMAT', /an object for vision_config of /],
      ['paligemma', { image_token_index: 296 }, 'ERR_FORMAT', /below vocab_size 296 for image_token_index of /],
    ];
    for (const [name, fields, code, message] of refusals) {
      it(`refuse ${JSON.stringify(fields)}`, async () => {
        const folder = copyTwoWay(name, at('refused'), { 'config.json': fields as Record<string, unknown> });
        await expectRejection(QAViT.load(folder, F32), code, message);
      });
    }

    it('refuse a norm or a map that is missing or has another shape', async () => {
      for (const [name, tensor, code, message] of [
        ['mm_soft_emb_norm.weight', undefined, 'ERR_FORMAT', /mm_soft_emb_norm\.weight \[16\]/],
        [
          'mm_input_projection_weight',
          undefined,
          'ERR_FORMAT',
          /tensor multi_modal_projector\.mm_input_projection_weight/,
        ],
        ['mm_input_projection_weight', f32([32, 16], new Float32Array(512)), 'ERR_SHAPE', /\[16, 16\] .* \[32, 16\]/],
      ] as const) {
        const folder = copyTwoWay('gemma3', at('without'));
        changeTensors(folder, (all) => {
          delete all[`multi_modal_projector.${name}`];
          if (tensor) all[`multi_modal_projector.${name}`] = tensor;
        });
        await expectRejection(QAViT.load({ tower: folder }, F32), code, message);
      }
    });
  });
});
