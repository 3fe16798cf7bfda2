import { expect } from 'chai';
import { cpSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import path from 'node:path';
import { type ModelFolders, QAViT } from '../../lib';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import {
  copyLlava,
  expectedLlava,
  framingOf,
  llavaAdapter,
  llavaFolder,
  LLAVAS,
  llavaTensors,
  saidBy,
} from '../support/vision-language';
import { LanguageHalf } from '../support/language-half';
import { writeJson, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const F32 = { device: 'cpu', dtype: 'f32' } as const;
const CLIP = llavaFolder('clip-llama');
const FUSED: ModelFolders = { tower: CLIP, adapter: llavaAdapter, language: CLIP };

describe('LLaVA', () => {
  const at = temporaryFolder();

  for (const name of LLAVAS) {
    describe(name, () => {
      const { picture, projected } = llavaTensors(name);
      const { answers } = expectedLlava(name);
      let model: QAViT;
      before(async () => {
        model = await QAViT.load(llavaFolder(name), F32);
      });
      after(() => model.close());

      it('knows itself', () => {
        const clip = name === 'clip-llama';
        expect(model.info).to.deep.include({
          visionLanguage: 'LLaVA',
          missingFiles: [],
          family: clip ? 'CLIP' : 'SigLIP',
          folders: { tower: llavaFolder(name), language: llavaFolder(name) },
          E: 32,
          N: clip ? 9 : 16,
          layersComputed: clip ? 3 : 2,
          fusedLayers: [],
        });
        expect(model.info.language).to.include({ kind: 'decoder-only', width: 32, visionLanguage: 'LLaVA' });
      });

      it("projects transformers' visual tokens", async () => {
        const { data, shape } = await model.encode(picture, null);
        expect(shape).to.deep.equal(projected.shape);
        expect(relativeError(data, projected.data)).to.be.below(1e-5);
      });

      it("says transformers' answers token for token", async () => {
        const decoder = await LanguageHalf.open(llavaFolder(name));
        try {
          const tokens = await model.encode(picture, null);
          for (const asked of answers) expect(await decoder.greedy(tokens, asked)).to.deep.equal(asked.tokens);
        } finally {
          await decoder.close();
        }
      });

      for (const asked of answers) {
        const around = Object.keys(framingOf(asked)).join(' and ') || 'nothing';
        it(`answers in words, with ${around} around ${JSON.stringify(asked.question)}`, async () => {
          expect(await saidBy(model, picture, asked)).to.equal(asked.text);
        });
      }

      it('draws the same from the same seed', async () => {
        const drawn = (seed: number) => saidBy(model, picture, answers[0]!, { temperature: 1, seed });
        const all = await Promise.all([1, 1, 2, 3].map(drawn));
        expect(all[1]).to.equal(all[0]);
        expect(new Set(all).size).to.equal(3);
      });

      it('takes no features and refuses a picture in words', async () => {
        await expectRejection(model.encode(picture, 'what?'), 'ERR_ARGUMENT', /null \(the model has no adapter\)/);
        const spelled = saidBy(model, picture, { question: 'is there an <image>?' });
        await expectRejection(spelled, 'ERR_ARGUMENT', /a text without <image> for the question/);
      });
    });
  }

  describe('with an adapter', () => {
    const { picture } = llavaTensors('clip-llama');
    const { fused, answers } = expectedLlava('clip-llama');
    let model: QAViT;
    before(async () => {
      model = await QAViT.load(FUSED, F32);
    });
    after(() => model.close());

    it('fuses where the adapter says, and projects as the LLaVA does', () => {
      // The last layer is not computed, so that of the late ones one is left.
      expect(model.info).to.deep.include({ fusedLayers: [2], layersComputed: 3, N: 9, E: 32, Dq: 32 });
    });

    it("says PyTorch's answers token for token", async () => {
      const decoder = await LanguageHalf.open(CLIP);
      try {
        for (const asked of fused) {
          const tokens = await model.encode(picture, asked.question);
          expect(await decoder.greedy(tokens, asked)).to.deep.equal(asked.tokens);
          expect(await saidBy(model, picture, asked)).to.equal(asked.text);
        }
      } finally {
        await decoder.close();
      }
    });

    it('cuts a question for the tower alone', async () => {
      const long = answers[3]!;
      const shorter = { ...long, question: `${long.question} what is on the blue circle?` };
      const [one, other] = await Promise.all([long, shorter].map(({ question }) => model.encode(picture, question)));
      expect(one!.data).to.deep.equal(other!.data);
      expect(await saidBy(model, picture, long)).to.not.equal(await saidBy(model, picture, shorter));
    });

    it('takes what the adapter does not say from the LLaVA', async () => {
      const config = path.join(llavaAdapter, 'config.json');
      cpSync(llavaAdapter, at('adapter'), { recursive: true });
      const fields = JSON.parse(readFileSync(config, 'utf8')) as Record<string, unknown>;
      writeJson(at('adapter', 'config.json'), { ...fields, vision_feature_layer: undefined, keep_cls: undefined });
      await using same = await QAViT.load({ ...FUSED, adapter: at('adapter') }, F32);
      const [one, other] = await Promise.all([model, same].map((each) => each.encode(picture, 'what?')));
      expect(one!.data).to.deep.equal(other!.data);
    });

    it("prefers the adapter's own projector", async () => {
      const own = { width: 24, heads: 2, layers: 4, questionWidth: 32, languageWidth: 20 };
      const { adapter } = writeRandomModel(at('own'), own);
      await using mute = await QAViT.load({ tower: CLIP, adapter }, F32);
      expect(mute.info).to.include({ E: 20, language: null });
    });

    it('answers from a combined folder', async () => {
      mkdirSync(at('combined'));
      cpSync(CLIP, at('combined', 'llava'), { recursive: true });
      cpSync(llavaAdapter, at('combined', 'adapter'), { recursive: true });
      const parts = { tower: 'llava', adapter: 'adapter', language: 'llava' };
      writeJson(at('combined', 'config.json'), { model_type: 'qavit', ...parts });
      await using combined = await QAViT.load(at('combined'), F32);
      expect(await saidBy(combined, picture, fused[0]!)).to.equal(fused[0]!.text);
    });
  });

  describe('folders', () => {
    const { picture } = llavaTensors('clip-llama');
    const [asked] = expectedLlava('clip-llama').answers;

    const answers = async (folders: string | ModelFolders, languageDType?: 'fp16' | 'q4'): Promise<void> => {
      await using model = await QAViT.load(folders, { ...F32, languageDType });
      expect(await saidBy(model, picture, asked!)).to.equal(asked!.text);
    };

    it('may keep the language half in a folder of its own', async () => {
      const whole = copyLlava('clip-llama', at('apart'));
      copyLlava('clip-llama', at('language'), { 'model.safetensors': null });
      renameSync(at('language'), path.join(whole, 'language'));
      renameSync(path.join(whole, 'onnx'), at('away'));
      await using model = await QAViT.load(whole, F32);
      expect(model.info.folders.language).to.equal(path.join(whole, 'language'));
      await answers(whole);
      await answers({ tower: whole, language: path.join(whole, 'language') });
    });

    it('may have ONNX files beside config.json', async () => {
      const flat = copyLlava('clip-llama', at('flat'));
      for (const name of ['embed_tokens', 'decoder_model_merged']) {
        renameSync(path.join(flat, 'onnx', `${name}.onnx`), path.join(flat, `${name}.onnx`));
      }
      await answers(flat);
    });

    it('may have decoders in several precisions, or one alone', async () => {
      await answers(CLIP, 'fp16');
      const half = copyLlava('clip-llama', at('half'), { 'onnx/decoder_model_merged.onnx': null });
      await answers(half);
      const message = /decoder_model_merged_q4\.onnx for the language model in .*onnx but received no such file/;
      await expectRejection(answers(CLIP, 'q4'), 'ERR_FORMAT', message);
    });

    it("with half precision at the decoder's border say transformers' tokens", async () => {
      const decoder = await LanguageHalf.open(CLIP, 'fp16');
      try {
        await using model = await QAViT.load({ tower: CLIP }, F32);
        const tokens = await model.encode(picture, null);
        for (const each of expectedLlava('clip-llama').answers) {
          expect(await decoder.greedy(tokens, each)).to.deep.equal(each.tokens);
        }
      } finally {
        await decoder.close();
      }
    });

    it('without ONNX files encode, and say what they lack', async () => {
      const mute = copyLlava('clip-llama', at('mute'), { onnx: null, 'tokenizer.json': null });
      await using model = await QAViT.load(mute, F32);
      const missingFiles = ['onnx/embed_tokens.onnx', 'onnx/decoder_model_merged.onnx', 'tokenizer.json'];
      expect(model.info).to.deep.include({ visionLanguage: 'LLaVA', language: null, missingFiles });
      expect((await model.encode(picture, null)).shape).to.deep.equal([9, 32]);
      await expectRejection(saidBy(model, picture, asked!), 'ERR_ARGUMENT', /a model with a language model for ask/);
    });

    it('without a chat template are asked as LLaVA-1.5 was trained, and say nothing around it', async () => {
      const bare = copyLlava('clip-llama', at('bare'), { 'chat_template.jinja': null });
      // The words of the fixture's own template.
      const worded = copyLlava('clip-llama', at('worded'), {
        'config.json': { prompt_template: 'USER: <image>\n{question} ASSISTANT:' },
      });
      await using model = await QAViT.load(bare, F32);
      await using same = await QAViT.load(worded, F32);
      expect(await saidBy(model, picture, asked!)).to.equal(await saidBy(same, picture, asked!));
      expect(await saidBy(model, picture, asked!)).to.equal(asked!.text);
      for (const framing of [{ system: 'a' }, { before: 'b' }]) {
        const refused = saidBy(model, picture, { question: 'what?', ...framing });
        await expectRejection(
          refused,
          'ERR_UNSUPPORTED',
          /a language model with a chat template for option (system|before)/,
        );
      }
    });

    it('are asked in the words of their config.json where it has some, chat template or not', async () => {
      const words = { 'config.json': { prompt_template: 'USER: <image>\n{question} ASSISTANT:' } };
      await using model = await QAViT.load(copyLlava('clip-llama', at('words'), words), F32);
      expect(await saidBy(model, picture, asked!)).to.equal(asked!.text);
      const refused = saidBy(model, picture, { question: 'what?', system: 'a' });
      await expectRejection(refused, 'ERR_UNSUPPORTED', /a language model with a chat template for option system/);
    });

    it('take the defaults of the classes that their config.json names', async () => {
      const terse = copyLlava('clip-llama', at('terse'), {
        'config.json': { vision_feature_layer: undefined, projector_hidden_act: null },
      });
      await answers(terse);
    });
  });
});
