/**
 * transformers.js answers from visual tokens: the real package, on the tiny Llama's ONNX files dressed as a LLaVA, against PyTorch's
 * answers to the same rows in the image token's place.
 */
import { expect } from 'chai';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type * as Transformers from '@huggingface/transformers' with { 'resolution-mode': 'import' };
import { type TransformersModel, visualInputs } from '../../../lib/transformers';
import { expectThrow } from '../../support/expect-error';
import { writeJson } from '../../support/random-model';
import { temporaryFolder } from '../../support/temporary';
import { folderOf, readExpected, someTokens, visualOf } from '../support';
import { IDENTITY, nameBatches } from './support';

const CASES = readExpected('llama-tiny').cases.filter(({ prompt }) => prompt !== '{question}');
/** The token that CASES call <image>. */
const IMAGE = 2;

describe('transformers.js', () => {
  const at = temporaryFolder();
  let library: typeof Transformers;
  let model: Transformers.LlavaForConditionalGeneration;
  let loaded: TransformersModel<Transformers.Tensor>;

  before(async () => {
    library = await import('@huggingface/transformers');
    const folder = at('llava');
    mkdirSync(path.join(folder, 'onnx'), { recursive: true });
    const source = folderOf('llama-tiny');
    for (const name of ['embed_tokens.onnx', 'decoder_model_merged.onnx'])
      cpSync(path.join(source, name), path.join(folder, 'onnx', name));
    writeFileSync(path.join(folder, 'onnx', 'vision_encoder.onnx'), Buffer.from(IDENTITY, 'base64'));
    for (const name of ['tokenizer.json', 'generation_config.json'])
      cpSync(path.join(source, name), path.join(folder, name));
    const text = JSON.parse(readFileSync(path.join(source, 'config.json'), 'utf8')) as object;
    const vision = { model_type: 'clip_vision_model' };
    writeJson(path.join(folder, 'config.json'), {
      model_type: 'llava',
      architectures: ['LlavaForConditionalGeneration'],
      image_token_index: IMAGE,
      text_config: text,
      vision_config: vision,
    });
    writeJson(path.join(folder, 'tokenizer_config.json'), { tokenizer_class: 'PreTrainedTokenizerFast' });
    library.env.allowRemoteModels = false;
    library.env.localModelPath = at();
    const options = { dtype: 'fp32', device: 'cpu', local_files_only: true } as const;
    model = (await library.LlavaForConditionalGeneration.from_pretrained(
      'llava',
      options,
    )) as Transformers.LlavaForConditionalGeneration;
    nameBatches(model.sessions);
    const tokenizer = await library.AutoTokenizer.from_pretrained('llava', { local_files_only: true });
    loaded = { model, tokenizer: tokenizer, Tensor: library.Tensor };
  });
  after(() => model.dispose());

  const generate = async (inputs: object): Promise<number[]> => {
    const { input_ids: ids } = inputs as { input_ids: Transformers.Tensor };
    const sequences = (await model.generate({ ...inputs, max_new_tokens: 24 })) as Transformers.Tensor;
    return [...(sequences.data as BigInt64Array)].slice(ids.dims[1]).map(Number);
  };
  const ask = ({ question, prompt, ...visual }: (typeof CASES)[number]) =>
    generate(
      visualInputs(
        loaded,
        visualOf(visual),
        prompt.replace('{question}', () => question),
      ),
    );

  for (const answer of CASES) {
    it(`answers from ${answer.rows} visual tokens as PyTorch does`, async () => {
      expect(await ask(answer)).to.deep.equal(answer.tokens);
    });
  }

  it('answers several at once, each from its own', async () => {
    const answers = await Promise.all([...CASES, ...CASES].map(ask));
    expect(answers).to.deep.equal([...CASES, ...CASES].map(({ tokens }) => tokens));
  });

  it('leaves its own pictures to its vision encoder', async () => {
    const [answer] = CASES;
    const inputs = visualInputs(loaded, visualOf(answer!), answer!.prompt.replace('{question}', answer!.question));
    // The encoder of this test hands its pictures on: the same rows, as a picture.
    const picture = new library.Tensor('float32', Float32Array.from(answer!.visual), [1, answer!.rows, 32]);
    expect(await generate({ ...inputs, pixel_values: picture })).to.deep.equal(answer!.tokens);
    const other = new library.Tensor('float32', new Float32Array(answer!.rows * 32), [1, answer!.rows, 32]);
    expect(await generate({ ...inputs, pixel_values: other })).to.not.deep.equal(answer!.tokens);
  });

  it('takes a prompt that has its special tokens already', () => {
    const [answer] = CASES;
    const ids = (text: string, addSpecialTokens: boolean) =>
      visualInputs(loaded, visualOf(answer!), text, { addSpecialTokens }).input_ids.tolist() as unknown;
    expect(ids('<s> is <image>?', false)).to.deep.equal(ids(' is <image>?', true));
  });

  it('gives tiles and whole a place each, or all of them one', () => {
    const tokens = { ...someTokens(6), tiles: { rows: 1, columns: 2 } };
    const ids = (prompt: string) =>
      (visualInputs(loaded, tokens, prompt).input_ids.tolist() as bigint[][])[0]!.map(Number);
    const runs = (prompt: string) => ids(prompt).map((id) => (id === 2 ? 'i' : '.'));
    expect(runs('<image>a<image>b<image>').join('').match(/i+/g)).to.deep.equal(['ii', 'ii', 'ii']);
    expect(runs('a<image>b').join('').match(/i+/g)).to.deep.equal(['iiiiii']);
    const message = /one image token \(id 2\), or 3 for tiles and whole, for the prompt but received 2 of them$/;
    expectThrow(() => ids('<image> <image>'), 'ERR_ARGUMENT', message);
    const odd = { ...someTokens(7), tiles: { rows: 1, columns: 2 } };
    const share = /^Expected a multiple of 3 for the number of visual tokens but received 7$/;
    expectThrow(() => visualInputs(loaded, odd, '<image><image><image>'), 'ERR_SHAPE', share);
    // Of LLaVA-NeXT's kind: rows of the tiles are in lines.
    expect(visualInputs(loaded, odd, '<image>').pixel_values.dims).to.deep.equal([1, 7, odd.shape[1]]);
  });

  it('refuses what does not fit', () => {
    const tokens = someTokens();
    const make = (prompt: unknown, change: object = {}, of = tokens) =>
      visualInputs({ ...loaded, ...change }, of, prompt as string);
    expectThrow(
      () => make('no place'),
      'ERR_ARGUMENT',
      /one image token \(id 2\) for the prompt but received 0 of them/,
    );
    expectThrow(() => make('<image> <image>'), 'ERR_ARGUMENT', /received 2 of them/);
    expectThrow(() => make(5), 'ERR_ARGUMENT', /a string for the prompt/);
    expectThrow(() => make('<image>', { model: {} }), 'ERR_ARGUMENT', /a model of transformers.js/);
    expectThrow(() => make('<image>', { model: null }), 'ERR_ARGUMENT', /a model of transformers.js/);
    expectThrow(() => make('<image>', { tokenizer: 5 }), 'ERR_ARGUMENT', /a tokenizer/);
    expectThrow(() => make('<image>', { tokenizer: () => ({}) }), 'ERR_ARGUMENT', /token ids \(int64\)/);
    expectThrow(() => make('<image>', { Tensor: undefined }), 'ERR_ARGUMENT', /transformers.js' class/);
    const wide = { data: new Float32Array(64), shape: [1, 64] as [number, number] };
    expectThrow(() => make('<image>', {}, wide), 'ERR_SHAPE', /E = 32/);
    const half = {
      config: model.config as unknown,
      encode_image: () => Promise.resolve(),
      sessions: { embed_tokens: { outputMetadata: [{ type: 'float16' }] } },
    };
    expectThrow(() => make('<image>', { model: half }), 'ERR_DTYPE', /float32 embeddings .* "float16"/);
    const scaling = { ...half, sessions: {}, config: { model_type: 'paligemma', image_token_index: 2 } };
    expectThrow(() => make('<image>', { model: scaling }), 'ERR_UNSUPPORTED', /as they are .* a PaliGemma/);
  });
});
