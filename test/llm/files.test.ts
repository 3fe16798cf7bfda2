import { copyFileSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import type { QAViTErrorCode } from '../../lib/errors';
import { JsonFields } from '../../lib/json-fields';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { readModelConfig } from '../../lib/llm/model-config';
import { expectRejection } from '../support/expect-error';
import { temporaryFolder } from '../support/temporary';
import { collect, copyFolder, folderOf, someTokens, type Form } from './support';

describe('language model files', () => {
  const at = temporaryFolder();

  /** Loads a copy of a folder that something has happened to. */
  function refuses(
    what: string,
    form: Form,
    damage: (file: (name: string) => string) => void,
    code: QAViTErrorCode,
    message: RegExp,
  ): void {
    it(`refuses ${what}`, async () => {
      const dir = copyFolder(form, at(what.replaceAll(/\W+/g, '-')));
      damage((name) => path.join(dir, name));
      await expectRejection(loadLanguageModel(dir), code, message);
    });
  }

  for (const name of [
    'config.json',
    'tokenizer.json',
    'embed_tokens.onnx',
    'encoder_model.onnx',
    'decoder_model_merged.onnx',
  ]) {
    const named = new RegExp(
      `^Expected .*${name.replace('.', '\\.')}.* but received (.*[Nn]o such file|nothing: it does not exist)`,
    );
    refuses(`a folder without ${name}`, 't5-tiny', (file) => rmSync(file(name)), 'ERR_FORMAT', named);
    refuses(`half of ${name}`, 't5-tiny', (file) => truncateSync(file(name), 500), 'ERR_FORMAT', new RegExp(name));
    refuses(`an empty ${name}`, 't5-tiny', (file) => writeFileSync(file(name), ''), 'ERR_FORMAT', new RegExp(name));
    refuses(
      `a picture called ${name}`,
      't5-tiny',
      (file) => writeFileSync(file(name), Buffer.from('89504e470d0a1a0a0000000d', 'hex')),
      'ERR_FORMAT',
      new RegExp(name),
    );
  }
  refuses(
    'one file of the pair',
    't5-tiny-pair',
    (file) => rmSync(file('decoder_with_past_model.onnx')),
    'ERR_FORMAT',
    /^Expected decoder_with_past_model\.onnx for the language model in .* but received no such file$/,
  );

  const onnx = (form: Form, name: string) => path.join(folderOf(form), name);
  const swap = (as: string, form: Form, name: string) => (file: (name: string) => string) =>
    copyFileSync(onnx(form, name), file(as));
  refuses(
    'an encoder in the place of the embedding',
    't5-tiny',
    swap('embed_tokens.onnx', 't5-tiny', 'encoder_model.onnx'),
    'ERR_FORMAT',
    /^Expected inputs input_ids for .*embed_tokens\.onnx but received inputs_embeds, attention_mask$/,
  );
  refuses(
    'an embedding in the place of the encoder',
    't5-tiny',
    swap('encoder_model.onnx', 't5-tiny', 'embed_tokens.onnx'),
    'ERR_FORMAT',
    /^Expected inputs inputs_embeds for .*encoder_model\.onnx but received input_ids$/,
  );
  refuses(
    "another kind's decoder",
    't5-tiny',
    swap('decoder_model_merged.onnx', 'llama-tiny', 'decoder_model_merged.onnx'),
    'ERR_FORMAT',
    /^Expected inputs input_ids for .*decoder_model_merged\.onnx but received inputs_embeds, /,
  );
  refuses(
    "an encoder-decoder's decoder in a decoder-only model",
    'llama-tiny',
    swap('decoder_model_merged.onnx', 't5-tiny', 'decoder_model_merged.onnx'),
    'ERR_FORMAT',
    /^Expected inputs inputs_embeds for .*decoder_model_merged\.onnx/,
  );
  refuses(
    'a graph that wants something unknown',
    't5-tiny',
    swap('encoder_model.onnx', 'llama-tiny', 'decoder_model_merged.onnx'),
    'ERR_UNSUPPORTED',
    /^Expected no inputs but inputs_embeds, attention_mask for .*encoder_model\.onnx but received the input position_ids$/,
  );
  refuses(
    'a decoder without caches',
    't5-tiny-pair',
    swap('decoder_with_past_model.onnx', 't5-tiny-pair', 'decoder_model.onnx'),
    'ERR_FORMAT',
    /^Expected inputs past_key_values\.\* for .*decoder_with_past_model\.onnx/,
  );

  const change = (name: string, fields: object) => (file: (name: string) => string) => {
    const before = JSON.parse(readFileSync(file(name), 'utf8')) as object;
    writeFileSync(file(name), JSON.stringify({ ...before, ...fields }));
  };
  const refusesField = (
    fields: object,
    code: QAViTErrorCode,
    message: RegExp,
    name = 'config.json',
    form: Form = 't5-tiny',
  ) => refuses(`${name} with ${JSON.stringify(fields)} in ${form}`, form, change(name, fields), code, message);

  refusesField(
    { d_model: 64 },
    'ERR_FORMAT',
    /^Expected rows of 64 numbers .* for .*embed_tokens\.onnx but received 32$/,
  );
  refusesField({ vocab_size: 100 }, 'ERR_FORMAT', /^Expected 100 columns .* for logits of .* but received 56$/);
  refusesField(
    { vocab_size: 'many' },
    'ERR_FORMAT',
    /^Expected a non-negative integer for vocab_size of .*config\.json/,
  );
  refusesField({ vocab_size: null }, 'ERR_FORMAT', /vocab_size of .*config\.json/);
  refusesField({ is_encoder_decoder: 'yes' }, 'ERR_FORMAT', /is_encoder_decoder of .*config\.json/);
  refusesField(
    { is_encoder_decoder: false },
    'ERR_FORMAT',
    /^Expected inputs inputs_embeds for .*decoder_model_merged/,
  );
  refusesField({ text_config: 5 }, 'ERR_FORMAT', /^Expected a JSON object for text_config of .*config\.json/);
  refusesField({ text_config: { vocab_size: 0 } }, 'ERR_FORMAT', /for text_config\.vocab_size of /);
  refusesField(
    { prompt_template: 'Describe.' },
    'ERR_FORMAT',
    /^Expected a text with one \{question\} for prompt_template/,
  );

  const generation = 'generation_config.json';
  refusesField({ eos_token_id: 'end' }, 'ERR_FORMAT', /eos_token_id of .*generation_config\.json/, generation);
  refusesField({ decoder_start_token_id: -1 }, 'ERR_FORMAT', /decoder_start_token_id of /, generation);
  refusesField(
    { encoder_no_repeat_ngram_size: 3 },
    'ERR_UNSUPPORTED',
    /^Expected 0 for encoder_no_repeat_ngram_size of .* received 3$/,
    generation,
  );
  for (const value of [0, -1, '1.2']) {
    refusesField(
      { repetition_penalty: value },
      'ERR_FORMAT',
      /^Expected a positive number for repetition_penalty of /,
      generation,
    );
  }
  refusesField(
    { sequence_bias: [[[3], -1]] },
    'ERR_UNSUPPORTED',
    /^Expected nothing for sequence_bias of /,
    generation,
  );

  it('takes a folder without generation_config.json, and settings that change nothing', async () => {
    const dir = copyFolder('t5-tiny', at('plain'), {
      [generation]: {
        repetition_penalty: 1.0,
        no_repeat_ngram_size: 0,
        bad_words_ids: null,
        num_beams: 4,
        max_length: 20,
      },
    });
    await (await loadLanguageModel(dir)).close();
    rmSync(path.join(dir, generation));
    const model = await loadLanguageModel(dir);
    await collect(model, someTokens(), 'what shape?');
    await model.close();
  });

  it('takes a vision-language config, which nests the language model', async () => {
    const nested = JSON.parse(readFileSync(onnx('llama-tiny', 'config.json'), 'utf8')) as object;
    const dir = copyFolder('llama-tiny', at('nested'));
    writeFileSync(
      path.join(dir, 'config.json'),
      JSON.stringify({ model_type: 'llava', image_token_index: 2, text_config: nested }),
    );
    const model = await loadLanguageModel(dir);
    await collect(model, someTokens(), 'what shape?');
    await model.close();
  });

  it("reads what is not said of a nested language model as its kind's class has it", async () => {
    const file = at('terse.json');
    const sizesOf = async (json: object) => {
      writeFileSync(file, JSON.stringify(json));
      const { vocabularySize, width, positions } = readModelConfig(await JsonFields.read(file));
      return [vocabularySize, width, positions];
    };
    const image_token_id = 5;
    const [llama, qwen] = [
      [32000, 4096, 2048],
      [151936, 4096, 32768],
    ];
    for (const [model_type, wanted] of [
      ['llava', llama],
      ['llava_next', llama],
      ['llava_onevision', qwen],
      ['smolvlm', llama],
      ['idefics3', llama],
      ['internvl', qwen],
    ] as const) {
      expect(await sizesOf({ model_type, image_token_id }), model_type).to.deep.equal(wanted);
      const text_config = { model_type: 'qwen3', hidden_size: 1024 };
      expect(await sizesOf({ model_type, image_token_id, text_config })).to.deep.equal([151936, 1024, 32768]);
    }
  });

  it('says that a tokenizer has more tokens than the model', async () => {
    const dir = copyFolder('t5-tiny', at('tokens'));
    copyFileSync(onnx('llama-tiny', 'tokenizer.json'), path.join(dir, 'tokenizer.json'));
    const model = await loadLanguageModel(dir);
    const message = /^Expected token ids below 56 .* for the tokenizer\.json beside .* but received \d+$/;
    await expectRejection(collect(model, someTokens(), 'what shape?'), 'ERR_FORMAT', message);
    await model.close();
  });
});
