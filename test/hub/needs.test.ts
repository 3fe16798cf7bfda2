import { expect } from 'chai';
import { neededFiles, type Role } from '../../lib/hub';
import type { JsonObject } from '../../lib/json-file';
import { expectRejection } from '../support/expect-error';

const TOWER = {
  'config.json': { model_type: 'siglip_vision_model' },
  'preprocessor_config.json': {},
  'model.safetensors': null,
};
const T5 = { 'config.json': { model_type: 't5' }, 'tokenizer.json': null, 'generation_config.json': null };
const GRAPHS = ['embed_tokens.onnx', 'encoder_model.onnx', 'decoder_model_merged.onnx'];

type Files = Record<string, JsonObject | null>;

const without = (files: Files, name: string): Files =>
  Object.fromEntries(Object.entries(files).filter(([key]) => key !== name));

describe('what is needed of a model', () => {
  const needs = (files: Files, role: Role, dtype?: 'q4') =>
    neededFiles(
      {
        has: (name) => name in files,
        json: (name) => Promise.resolve(files[name] ?? {}),
        where: (name) => name,
      },
      role,
      dtype,
    );
  const files = async (all: Files, role: Role, dtype?: 'q4'): Promise<string[]> => {
    const { files, missing } = await needs(all, role, dtype);
    expect(missing).to.deep.equal([]);
    return [...files].sort();
  };
  const missing = async (all: Files, role: Role) => (await needs(all, role)).missing;
  const nothing = (...names: string[]) => Object.fromEntries(names.map((name) => [name, null]));

  it('a tower: configuration, preprocessing, weights, the first format that is there', async () => {
    const others = nothing('pytorch_model.bin', 'tf_model.h5', 'flax_model.msgpack', 'tokenizer.json', 'x.safetensors');
    expect(await files({ ...TOWER, ...others }, 'model')).to.deep.equal(Object.keys(TOWER).sort());
    const rest = without(TOWER, 'model.safetensors');
    expect(await files({ ...rest, ...others }, 'tower')).to.include('pytorch_model.bin');
    const alone = without(TOWER, 'preprocessor_config.json');
    const joint = { ...alone, 'processor_config.json': { image_processor: {} } };
    expect(await files(joint, 'tower')).to.include('processor_config.json');
    const wordsOnly = { 'processor_config.json': { processor_class: 'LlavaProcessor' } };
    expect(await missing({ ...alone, ...wordsOnly }, 'tower')).to.deep.equal(['preprocessor_config.json']);
    expect(await files({ ...TOWER, ...wordsOnly }, 'tower')).to.include('processor_config.json');
    expect(await missing({ 'config.json': TOWER['config.json'] }, 'model')).to.deep.equal([
      'preprocessor_config.json or processor_config.json',
      'model.safetensors or model.safetensors.index.json or pytorch_model.bin or pytorch_model.bin.index.json',
    ]);
    expect(await missing({}, 'tower')).to.deep.equal(['config.json']);
  });

  it('shards: those that the index names', async () => {
    const rest = without(TOWER, 'model.safetensors');
    const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const index = { weight_map: { a: first, b: second, c: first } };
    const all = { ...rest, 'model.safetensors.index.json': index, [first]: null };
    expect(await missing(all, 'tower')).to.deep.equal([second]);
    expect(await files({ ...all, [second]: null, 'model-00003.safetensors': null }, 'tower')).to.deep.equal([
      'config.json',
      first,
      second,
      'model.safetensors.index.json',
      'preprocessor_config.json',
    ]);
    await expectRejection(needs({ ...all, 'model.safetensors.index.json': {} }, 'tower'), 'ERR_FORMAT', /weight_map/);
  });

  it('a T5: its weights; ONNX files where there are no others, or where they come first', async () => {
    const onnx = nothing(
      ...GRAPHS.map((name) => `onnx/${name}`),
      'onnx/decoder_model_merged_q4.onnx',
      'onnx/model.onnx',
    );
    expect(await files({ ...T5, ...onnx, 'model.safetensors': null }, 'language')).to.deep.equal(
      [...Object.keys(T5), 'model.safetensors'].sort(),
    );
    const whole = { ...T5, 'config.json': { model_type: 't5', is_encoder_decoder: true } };
    const graphs = GRAPHS.map((name) => `onnx/${name}`);
    expect(await files({ ...whole, ...onnx }, 'language')).to.deep.equal([...Object.keys(T5), ...graphs].sort());
    expect(await files({ ...whole, ...nothing(...GRAPHS), 'model.safetensors': null }, 'language')).to.deep.equal(
      [...Object.keys(T5), ...GRAPHS].sort(),
    );
    expect(await missing(nothing('config.json'), 'language')).to.deep.equal([
      'tokenizer.json',
      'embed_tokens.onnx',
      'decoder_model_merged.onnx',
    ]);
  });

  it('a decoder: its graphs, in one file or two, and what lies beside them', async () => {
    const llama = { 'config.json': { model_type: 'llama' }, 'tokenizer.json': null, 'chat_template.jinja': null };
    const data = nothing(
      'onnx/embed_tokens.onnx',
      'onnx/decoder_model_merged.onnx',
      'onnx/decoder_model_merged.onnx_data',
    );
    const more = nothing(
      'onnx/decoder_model_merged.onnx_data_1',
      'onnx/decoder_model_merged.onnx_data_3',
      'model.safetensors',
    );
    expect(await files({ ...llama, ...data, ...more }, 'language')).to.deep.equal(
      [...Object.keys(llama), ...Object.keys(data), 'onnx/decoder_model_merged.onnx_data_1'].sort(),
    );
    const two = nothing('embed_tokens.onnx', 'decoder_model.onnx');
    expect(await missing({ ...llama, ...two }, 'language')).to.deep.equal(['decoder_with_past_model.onnx']);
  });

  it('what reads questions: a T5 or ONNX files as to answer with, of another model tokenizer and weights', async () => {
    const llama = { 'config.json': { model_type: 'llama' }, 'tokenizer.json': null };
    const others = nothing('generation_config.json', 'tokenizer_config.json', 'onnx/decoder_model_merged.onnx');
    const onnx = nothing('onnx/embed_tokens.onnx', 'onnx/decoder_model_merged.onnx');
    const stored = { ...llama, 'model.safetensors': null };
    for (const role of ['questions', 'text'] as const) {
      expect(await files({ ...stored, ...others, ...onnx }, role)).to.deep.equal(Object.keys(stored).sort());
      const [weights, ...more] = await missing(llama, role);
      expect(weights).to.match(/^model\.safetensors or /);
      expect(more).to.deep.equal([]);
      expect(await missing(without(stored, 'tokenizer.json'), role)).to.deep.equal(['tokenizer.json']);
    }
    expect(await files({ ...llama, ...onnx }, 'questions')).to.deep.equal(
      [...Object.keys(llama), ...Object.keys(onnx)].sort(),
    );
    const root = nothing('embed_tokens.onnx', 'decoder_model_merged.onnx');
    expect(await files({ ...stored, ...root }, 'questions')).to.deep.equal(
      [...Object.keys(llama), ...Object.keys(root)].sort(),
    );
    const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const index = { weight_map: { 'lm_head.weight': second, 'model.embed_tokens.weight': first } };
    const shards = { ...llama, 'model.safetensors.index.json': index, [first]: null };
    expect(await files({ ...shards, [second]: null }, 'questions')).to.deep.equal(Object.keys(shards).sort());
    const t5 = { ...T5, 'model.safetensors': null };
    expect(await files(t5, 'questions')).to.deep.equal(Object.keys(t5).sort());
  });

  it('a tokenizer: how it is made, where a model is published without', async () => {
    for (const source of ['spiece.model', 'tokenizer.model', 'vocab.json']) {
      const published: Files = { ...without(T5, 'tokenizer.json'), ...nothing('model.safetensors', source) };
      const words = `tokenizer.json (Python's transformers makes it of ${source}: AutoTokenizer.from_pretrained(MODEL).save_pretrained(FOLDER))`;
      for (const role of ['language', 'questions', 'text'] as const) {
        expect(await missing(published, role)).to.deep.equal([words]);
        expect(await missing({ ...published, 'tokenizer.json': null }, role)).to.deep.equal([]);
      }
    }
  });

  it('a whole model: what its parts need, each in its folder', async () => {
    const config = { model_type: 'qavit', tower: 'vision/tower', language: 'language' };
    const inside = (folder: string, part: Files) =>
      Object.fromEntries(Object.entries(part).map(([name, content]) => [`${folder}/${name}`, content]));
    const all = { 'config.json': config, ...inside('vision/tower', TOWER), ...inside('language', T5) };
    const [lacking, ...others] = await missing(all, 'model');
    expect(lacking).to.match(/^language\/model\.safetensors or language\/model\.safetensors\.index\.json or /);
    expect(others).to.deep.equal([]);
    const complete = { ...all, 'language/model.safetensors': null };
    expect(await files(complete, 'model')).to.deep.equal(Object.keys(complete).sort());
  });

  it('of a model that cannot be loaded: what says so', async () => {
    const gpt = { 'config.json': { model_type: 'gpt2' }, 'model.safetensors': null };
    expect(await files(gpt, 'model')).to.deep.equal(['config.json']);
  });

  it('a vision-language model: the shards of its vision half, and ONNX files of one precision where it has some', async () => {
    const [vision, rest] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const map = { 'vision_tower.x': vision, 'multi_modal_projector.linear_1.weight': vision, 'lm_head.weight': rest };
    const half: Files = {
      'config.json': { model_type: 'llava', vision_config: {} },
      'preprocessor_config.json': {},
      'model.safetensors.index.json': { weight_map: map },
      [vision]: null,
    };
    expect(await files({ ...half, [rest]: null, 'tokenizer.json': null }, 'model')).to.deep.equal(
      Object.keys(half).sort(),
    );
    const own = ['tokenizer.json', 'onnx/embed_tokens.onnx', 'onnx/decoder_model_merged.onnx'];
    const q4 = [
      'onnx/embed_tokens_fp16.onnx',
      'onnx/decoder_model_merged_q4.onnx',
      'onnx/decoder_model_merged_q4.onnx_data',
    ];
    const whole = { ...half, ...nothing(...own, ...q4) };
    expect(await files(whole, 'model')).to.deep.equal([...Object.keys(half), ...own].sort());
    expect(await files(whole, 'tower')).to.deep.equal(Object.keys(half).sort());
    // Of embed_tokens there is none in q4: a more exact one does as well.
    const taken = [...own.slice(0, 2), ...q4.slice(1)];
    expect(await files(whole, 'model', 'q4')).to.deep.equal([...Object.keys(half), ...taken].sort());
    const without4 = { ...half, ...nothing(...own) };
    expect((await needs(without4, 'model', 'q4')).missing).to.deep.equal(['onnx/decoder_model_merged_q4.onnx']);
  });

  it('a tower that is part of another model: the shards of its vision half', async () => {
    const [vision, rest] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    for (const [model_type, name] of [
      ['gemma3', 'vision_tower.vision_model.x'],
      ['internvl', 'model.vision_tower.x'],
      ['llava_next', 'image_newline'],
      ['llava_onevision', 'model.image_newline'],
      ['blip-2', 'vision_model.x'],
    ] as const) {
      const map = { [name]: vision, 'language_model.model.x': rest, 'lm_head.weight': rest };
      const half: Files = {
        'config.json': { model_type },
        'preprocessor_config.json': {},
        'model.safetensors.index.json': { weight_map: map },
        [vision]: null,
      };
      expect(await files({ ...half, [rest]: null }, 'tower')).to.deep.equal(Object.keys(half).sort());
      expect(await missing(without(half, vision), 'tower')).to.deep.equal([vision]);
    }
  });
});
