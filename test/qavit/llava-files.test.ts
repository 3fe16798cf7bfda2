import { expect } from 'chai';
import { copyFileSync, cpSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import type { QAViTErrorCode } from '../../lib/errors';
import { relativeError } from '../support/compare';
import { changeTensors } from '../support/changed-tower';
import { expectRejection } from '../support/expect-error';
import { copyLlava, llavaFolder, type LlavaName, llavaTensors } from '../support/vision-language';
import { fixture } from '../support/paths';
import { writeJson } from '../support/random-model';
import { readSafetensors } from '../support/safetensors';
import { f32, type TensorToWrite, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';

describe('LLaVA files', () => {
  const at = temporaryFolder();

  const refuse = (folder: string, code: QAViTErrorCode, message: RegExp) =>
    expectRejection(QAViT.load(folder, { device: 'cpu', dtype: 'f32' }), code, message);

  /** Loads a copy with other fields in its config.json. */
  function refusesConfig(
    fields: Record<string, unknown>,
    code: QAViTErrorCode,
    message: RegExp,
    name: LlavaName = 'clip-llama',
  ): void {
    it(`refuse ${JSON.stringify(fields)} in ${name}`, () =>
      refuse(copyLlava(name, at('config'), { 'config.json': fields }), code, message));
  }

  describe('of the vision half', () => {
    refusesConfig({ vision_config: 5 }, 'ERR_FORMAT', /an object for vision_config of .*config\.json/);
    refusesConfig(
      { vision_config: { model_type: 'pixtral' } },
      'ERR_UNSUPPORTED',
      /one of clip, .* for model_type of vision_config of .*config\.json but received "pixtral"/,
    );
    refusesConfig({ vision_config: null }, 'ERR_FORMAT', /image_size 336 of .* for crop_size of .* 24 x 24/);
    refusesConfig({ vision_config: {} }, 'ERR_FORMAT', /image_size 224 of .* for crop_size of /);
    refusesConfig({ vision_feature_layer: 5 }, 'ERR_FORMAT', /an integer from -5 to 4 for vision_feature_layer of /);
    refusesConfig({ vision_feature_layer: '-2' }, 'ERR_FORMAT', /an integer for vision_feature_layer of /);
    refusesConfig({ vision_feature_layer: [-2, -3] }, 'ERR_UNSUPPORTED', /one layer for vision_feature_layer of /);
    refusesConfig({ vision_feature_select_strategy: 'cls' }, 'ERR_FORMAT', /one of default, full for /);
    refusesConfig(
      { vision_feature_select_strategy: 'default' },
      'ERR_UNSUPPORTED',
      /"full" for vision_feature_select_strategy of .* "default" with a tower that has 0 tokens before its patches/,
      'siglip-qwen',
    );
    it('refuse to leave out the class token alone of a tower with registers', async () => {
      const tower = fixture('towers', 'dinov2-registers', 'tower');
      const folder = at('registers');
      cpSync(tower, folder, { recursive: true });
      const vision_config = JSON.parse(readFileSync(path.join(tower, 'config.json'), 'utf8')) as object;
      writeJson(path.join(folder, 'config.json'), { model_type: 'llava', vision_config });
      const tensors = [...readSafetensors(path.join(tower, 'model.safetensors'))].map(
        ([name, { shape, data }]) => [`vision_tower.${name}`, f32(shape, data as Float32Array)] as const,
      );
      writeSafetensors(path.join(folder, 'model.safetensors'), Object.fromEntries(tensors));
      await refuse(folder, 'ERR_UNSUPPORTED', /"default" with a tower that has 4 tokens before its patches$/);
    });
    refusesConfig({ projector_hidden_act: 'mish' }, 'ERR_UNSUPPORTED', /one of .* for projector_hidden_act of /);
    refusesConfig({ multimodal_projector_bias: 1 }, 'ERR_FORMAT', /true or false for multimodal_projector_bias of /);
    refusesConfig(
      { multimodal_projector_bias: false },
      'ERR_FORMAT',
      /config\.json describes for .* also multi_modal_projector\.linear_1\.bias/,
    );
    refusesConfig(
      { multimodal_projector_bias: true },
      'ERR_FORMAT',
      /tensor multi_modal_projector\.linear_1\.bias \[32\] for /,
      'siglip-qwen',
    );

    it('take one layer in a list, and a layer counted from below', async () => {
      for (const vision_feature_layer of [[-2], 3]) {
        const folder = copyLlava('clip-llama', at('config'), { 'config.json': { vision_feature_layer }, onnx: null });
        await using model = await QAViT.load(folder);
        expect(model.info.layersComputed).to.equal(3);
      }
    });

    type Tensors = Record<string, TensorToWrite>;
    const first = 'multi_modal_projector.linear_1.weight';
    const withTensors = (change: (all: Tensors) => void): string => {
      const folder = copyLlava('clip-llama', at('tensors'));
      changeTensors(folder, change);
      return folder;
    };

    // By the names that transformers 5 writes; published files are older.
    const LAYOUTS: Record<string, (name: string) => string> = {
      'up to 4.51': (name) => name.replace(/^vision_tower\./, 'vision_tower.vision_model.'),
      'from 4.52 on': (name) => `model.${name.replace(/^vision_tower\./, 'vision_tower.vision_model.')}`,
      'as the model has them': (name) => `model.${name.replace(/^language_model\.model\./, 'language_model.')}`,
    };
    for (const [version, rename] of Object.entries(LAYOUTS)) {
      it(`have the names of transformers ${version}`, async () => {
        const folder = withTensors((all) => {
          for (const [name, tensor] of Object.entries(all)) {
            delete all[name];
            all[rename(name)] = tensor;
          }
        });
        await using model = await QAViT.load({ tower: folder }, { device: 'cpu', dtype: 'f32' });
        const { picture, projected } = llavaTensors('clip-llama');
        const { data } = await model.encode(picture, null);
        expect(relativeError(data, projected.data)).to.be.below(1e-5);
      });
    }

    it('refuse a projector that is missing, of another shape or not finite', async () => {
      await refuse(
        withTensors((all) => delete all[first]),
        'ERR_FORMAT',
        /tensor multi_modal_projector\.linear_1\.weight for .* none/,
      );
      const second = 'multi_modal_projector.linear_2.weight';
      await refuse(
        withTensors((all) => (all[second] = f32([32, 31], new Float32Array(32 * 31)))),
        'ERR_SHAPE',
        /\[32, 32\] for tensor multi_modal_projector\.linear_2\.weight .* \[32, 31\]/,
      );
      await refuse(
        withTensors((all) => (all[first] = f32([32, 20], new Float32Array(32 * 20)))),
        'ERR_SHAPE',
        /\[32, 24\] for tensor multi_modal_projector\.linear_1\.weight/,
      );
      await refuse(
        withTensors((all) => (all[first] = f32([32, 24], new Float32Array(32 * 24).fill(NaN)))),
        'ERR_FORMAT',
        /finite numbers for tensor multi_modal_projector\.linear_1\.weight/,
      );
    });

    it('do without the language half of the weights, in one file or in shards', async () => {
      const folder = withTensors((all) => {
        for (const name of Object.keys(all)) if (name.startsWith('language_model')) delete all[name];
      });
      await using model = await QAViT.load(folder);
      expect(model.info.E).to.equal(32);
      // The fixture's index names shards that are not there.
      const index = JSON.parse(
        readFileSync(path.join(llavaFolder('siglip-qwen'), 'model.safetensors.index.json'), 'utf8'),
      ) as { weight_map: Record<string, string> };
      expect(Object.keys(index.weight_map).some((name) => name.startsWith('language_model'))).to.equal(true);
    });

    it('refuse a missing shard of their own', async () => {
      const folder = copyLlava('siglip-qwen', at('shards'), { 'model-00006-of-00006.safetensors': null });
      await refuse(folder, 'ERR_FORMAT', /a file for .*model-00006-of-00006\.safetensors .* does not exist/);
    });
  });

  describe('of the language half', () => {
    refusesConfig({ image_token_index: 296 }, 'ERR_FORMAT', /below vocab_size 296 for image_token_index of .* 296$/);
    refusesConfig({ image_token_index: null }, 'ERR_FORMAT', /below vocab_size 296 for image_token_index of .* 32000$/);
    refusesConfig({ image_token_index: -1 }, 'ERR_FORMAT', /a non-negative integer for image_token_index of /);
    refusesConfig(
      { image_token_index: 295 },
      'ERR_FORMAT',
      /a token 295 \(image_token_index of config\.json\) for the tokenizer of .* none$/,
    );
    refusesConfig(
      { image_token_index: 1 },
      'ERR_FORMAT',
      /one <\/s> for a picture for the chat template .* 0 of them$/,
    );
    refusesConfig({ text_config: 5 }, 'ERR_FORMAT', /a JSON object for text_config of /);
    refusesConfig({ text_config: { vocab_size: 2 } }, 'ERR_FORMAT', /below vocab_size 2 for image_token_index of /);
    refusesConfig({ text_config: {} }, 'ERR_FORMAT', /rows of 4096 numbers \(config\.json\) for .*embed_tokens\.onnx/);
    refusesConfig(
      { text_config: { vocab_size: 300, hidden_size: 32 } },
      'ERR_FORMAT',
      /300 columns .* for logits of .*decoder_model_merged\.onnx but received 296/,
    );

    /** Loads a copy with a file of its own changed. */
    function refuses(
      what: string,
      change: (file: (name: string) => string) => void,
      message: RegExp,
      { name = 'clip-llama', code = 'ERR_FORMAT' }: { name?: LlavaName; code?: QAViTErrorCode } = {},
    ): void {
      it(`refuse ${what}`, async () => {
        const folder = copyLlava(name, at('files'));
        change((file) => path.join(folder, file));
        await refuse(folder, code, message);
      });
    }
    const template = (source: string) => (file: (name: string) => string) =>
      writeFileSync(file('chat_template.jinja'), source);
    const half = (name: string) => (file: (name: string) => string) =>
      truncateSync(file(name), Math.floor(statSync(file(name)).size / 2));

    refuses('a template that is none', template('{% for %}'), /one <image> for a picture .*\.jinja but received "/);
    refuses('a template without a picture', template('USER:'), /one <image> .*\.jinja but received 0 of them/);
    refuses('a template with two', template('<image> <image>'), /one <image> .*\.jinja but received 2 of them/);
    refuses(
      'a template without an end',
      template('{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}<image>'),
      /a text of at most 1048576 characters, in seconds and 64 MB, for .*\.jinja but received no end after 3000 ms/,
    );
    for (const name of ['onnx/embed_tokens.onnx', 'onnx/decoder_model_merged.onnx', 'tokenizer.json', 'config.json']) {
      refuses(`half of ${name}`, half(name), new RegExp(path.basename(name).replace('.', '\\.')));
    }
    refuses('half of the weights', half('model.safetensors'), /model\.safetensors/);
    refuses('half of tokenizer_config.json', half('tokenizer_config.json'), /JSON for .*tokenizer_config\.json/);
    refuses(
      'a decoder with other inputs',
      (file) => copyFileSync(file('onnx/embed_tokens.onnx'), file('onnx/decoder_model_merged.onnx')),
      /inputs inputs_embeds for .*decoder_model_merged\.onnx but received input_ids/,
    );
    refuses(
      'an embedding with other inputs',
      (file) => copyFileSync(file('onnx/decoder_model_merged.onnx'), file('onnx/embed_tokens.onnx')),
      /inputs input_ids for .*embed_tokens\.onnx but received inputs_embeds/,
    );

    const data = 'decoder_model_merged.onnx_data';
    const siglip = { name: 'siglip-qwen' } as const;
    refuses(
      'a decoder without its second file',
      (file) => rmSync(file(`onnx/${data}`)),
      /an ONNX model for .*decoder_model_merged\.onnx but received "/,
      siglip,
    );
    refuses('half of a second file', half(`onnx/${data}`), /an ONNX model for .*decoder_model_merged\.onnx/, siglip);
    refuses(
      'a second file outside the folder',
      (file) => {
        const elsewhere = `../${data.slice(3)}`;
        copyFileSync(file(`onnx/${data}`), file(`onnx/${elsewhere}`));
        const model = readFileSync(file('onnx/decoder_model_merged.onnx'), 'latin1');
        writeFileSync(file('onnx/decoder_model_merged.onnx'), model.replaceAll(data, elsewhere), 'latin1');
      },
      /an ONNX model for .*decoder_model_merged\.onnx/,
      siglip,
    );

    it('leave nothing behind that keeps an error from being the last word', async () => {
      const folder = copyLlava('clip-llama', at('files'), { 'chat_template.jinja': null });
      await using model = await QAViT.load(folder);
      const { picture } = llavaTensors('clip-llama');
      const refused = model.ask(picture, 'what?', { system: 5 as unknown as string }).next();
      await expectRejection(refused, 'ERR_ARGUMENT', /a string for option system of ask/);
    });
  });
});
