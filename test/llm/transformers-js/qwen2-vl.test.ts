/** transformers.js's Qwen2-VL, which reads config.json as it was before transformers 5, answers from visual tokens of ours as transformers does from pictures. */
import { expect } from 'chai';
import { cpSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type * as Transformers from '@huggingface/transformers' with { 'resolution-mode': 'import' };
import { QAViT, type VisualTokens } from '../../../lib';
import { type TransformersModel, visualInputs } from '../../../lib/transformers';
import { expectThrow } from '../../support/expect-error';
import { writeJson } from '../../support/random-model';
import { temporaryFolder } from '../../support/temporary';
import { expectedPlaced, placedFolder, placedTensors } from '../../support/vision-language';
import { IDENTITY, nameBatches } from './support';

describe("transformers.js's Qwen2-VL", () => {
  const at = temporaryFolder();
  const [asked] = expectedPlaced('published').answers;
  const prompt =
    '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n' +
    `<|vision_start|><|image_pad|><|vision_end|>${asked!.question}<|im_end|>\n<|im_start|>assistant\n`;
  let library: typeof Transformers;
  let model: Transformers.Qwen2VLForConditionalGeneration;
  let loaded: TransformersModel<Transformers.Tensor>;
  let tokens: VisualTokens;

  before(async () => {
    library = await import('@huggingface/transformers');
    const folder = at('qwen');
    cpSync(placedFolder('published'), folder, { recursive: true });
    writeFileSync(path.join(folder, 'onnx', 'vision_encoder.onnx'), Buffer.from(IDENTITY, 'base64'));
    writeJson(path.join(folder, 'tokenizer_config.json'), { tokenizer_class: 'PreTrainedTokenizerFast' });
    library.env.allowRemoteModels = false;
    library.env.localModelPath = at();
    const options = { dtype: 'fp32', device: 'cpu', local_files_only: true } as const;
    model = (await library.Qwen2VLForConditionalGeneration.from_pretrained(
      'qwen',
      options,
    )) as Transformers.Qwen2VLForConditionalGeneration;
    nameBatches(model.sessions);
    const tokenizer = await library.AutoTokenizer.from_pretrained('qwen', { local_files_only: true });
    loaded = { model, tokenizer, Tensor: library.Tensor };
    await using qavit = await QAViT.load({ tower: placedFolder('published') }, { device: 'cpu', dtype: 'f32' });
    tokens = await qavit.encode(placedTensors('published').picture, null);
  });
  after(() => model.dispose());

  const answer = async (of: VisualTokens): Promise<number[]> => {
    const inputs = visualInputs(loaded, of, prompt);
    const sequences = (await model.generate({ ...inputs, max_new_tokens: 16 })) as Transformers.Tensor;
    return [...(sequences.data as BigInt64Array)].slice(inputs.input_ids.dims[1]).map(Number);
  };

  it('answers in the tokens that transformers says', async () => {
    expect(await answer(tokens)).to.deep.equal(asked!.tokens);
  });

  it('is told of which grid of patches they are', async () => {
    const { image_grid_thw: grid } = visualInputs(loaded, tokens, prompt);
    expect(grid?.tolist()).to.deep.equal([[1n, 10n, 4n]]);
    expect(await answer({ ...tokens, grid: { rows: 20, columns: 2 } })).to.not.deep.equal(asked!.tokens);
    expectThrow(() => visualInputs(loaded, { ...tokens, grid: undefined }, prompt), 'ERR_ARGUMENT', /the grid of /);
    const other = { ...tokens, grid: { rows: 6, columns: 6 } };
    expectThrow(() => visualInputs(loaded, other, prompt), 'ERR_SHAPE', /one for each 2 x 2 patches/);
  });
});
