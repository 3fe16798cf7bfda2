/**
 * Visual tokens for the vision-language models of transformers.js, by the one way in that they have: `model.encode_image`, whose rows
 * go where the prompt's image tokens are. (`inputs_embeds` is dropped by their forward pass, without a word.)
 */
import { expected, expectedButFound } from '../../errors';
import { isJsonObject } from '../../json-file';
import { checkTokens } from '../checks';
import type { VisualTokens } from '../language-model';
import { squaresOf } from '../onnx/row-places';
import { shareOf } from '../prompt';

/** What is needed of a tensor of transformers.js. */
export interface TransformersTensor {
  readonly data: unknown;
  readonly dims: readonly number[];
}

type TensorClass<T> = new (type: 'float32' | 'int64', data: Float32Array | BigInt64Array, dims: number[]) => T;

/** The user's own copy of transformers.js, and what was loaded with it. */
export interface TransformersModel<T extends TransformersTensor> {
  /** A LLaVA, or another model whose pictures go through `encode_image` to the places of one image token. */
  model: object;
  tokenizer: (text: string, options: { add_special_tokens: boolean }) => unknown;
  /** The class of that name: `import { Tensor } from '@huggingface/transformers'`. */
  Tensor: TensorClass<T>;
}

/** What `model.generate` takes. */
export interface VisualInputs<T> {
  input_ids: T;
  attention_mask: T;
  /** The visual tokens, [1, N, E], of a Qwen2-VL [N, E], on their way to `encode_image`, which hands them on. */
  pixel_values: T;
  /** Of a Qwen2-VL: 1, and the rows and columns of the picture's patches, int64 [1, 3], from which it counts where rows are. */
  image_grid_thw?: T;
}

export interface VisualInputOptions {
  /** Whether the tokenizer adds its own, such as `<s>`; true unless told. A chat template mostly has them already. */
  addSpecialTokens?: boolean;
}

type EncodeImage = (inputs: { pixel_values?: unknown }) => Promise<unknown>;

/** Inputs made here: their tensors are features already. Weak, so that nothing outlives the caller's use of it. */
const features = new WeakSet<object>();
const hooked = new WeakSet<object>();

/**
 * What `model.generate` needs to answer from visual tokens. Ordinary pictures still go through the model's own vision encoder; any number
 * of answers may run at once.
 *
 * @param prompt with the image token once, where the visual tokens go: `USER: <image>\nWhat is this? ASSISTANT:`; for a picture in tiles it
 *   may be there for each tile and the whole, as Idefics3 and SmolVLM want it; a Qwen2-VL wants it between `<|vision_start|>` and `<|vision_end|>`
 * @throws QAViTError ERR_ARGUMENT (not such a model, not one image token in the prompt, no `grid` for a Qwen2-VL), ERR_SHAPE (tokens that cannot be shared out), ERR_DTYPE (a model with embeddings of another
 *   type than float32), ERR_UNSUPPORTED (a PaliGemma), and as checkTokens() for the tokens
 * @example
 * const { data, shape } = await qavit.encode('street.jpg', question);
 * const inputs = visualInputs({ model, tokenizer, Tensor }, { data, shape }, `USER: <image>\n${question} ASSISTANT:`);
 * const sequences = await model.generate({ ...inputs, max_new_tokens: 30 });
 */
export function visualInputs<T extends TransformersTensor>(
  { model, tokenizer, Tensor }: TransformersModel<T>,
  tokens: VisualTokens,
  prompt: string,
  { addSpecialTokens = true }: VisualInputOptions = {},
): VisualInputs<T> {
  const { imageToken, width, squareSide } = describe(model);
  checkTokens(tokens, width);
  if (typeof prompt !== 'string') throw expected('ERR_ARGUMENT', 'a string', 'the prompt', prompt);
  if (typeof Tensor !== 'function') throw expected('ERR_ARGUMENT', "transformers.js' class", 'Tensor', Tensor);
  const [rows, columns] = tokens.shape;
  const text = idsOf(tokenizer, prompt, addSpecialTokens);
  const places = expectPlaces(text, imageToken, tokens.tiles);
  const grid = squareSide === undefined ? undefined : patchesOf(tokens, squareSide);
  const run = new Array<bigint>(shareOf(places, rows)).fill(imageToken);
  const ids = text.flatMap((id) => (id === imageToken ? run : [id]));
  // A Qwen2-VL's encoder knows no batches.
  const dims = grid ? [rows, columns] : [1, rows, columns];
  const pixels = new Tensor('float32', tokens.data.slice(), dims);
  features.add(pixels);
  hook(model as { encode_image: EncodeImage });
  return {
    input_ids: new Tensor('int64', BigInt64Array.from(ids), [1, ids.length]),
    attention_mask: new Tensor('int64', new BigInt64Array(ids.length).fill(1n), [1, ids.length]),
    pixel_values: pixels,
    ...(grid && { image_grid_thw: new Tensor('int64', grid, [1, 3]) }),
  };
}

function patchesOf({ grid, shape: [rows] }: VisualTokens, squareSide: number): BigInt64Array {
  squaresOf(grid, squareSide, rows, 'a Qwen2-VL');
  return BigInt64Array.of(1n, BigInt(grid?.rows ?? 0), BigInt(grid?.columns ?? 0));
}

/** @returns one, or for a picture in tiles perhaps as many as there are of these and the whole */
function expectPlaces(text: readonly bigint[], imageToken: bigint, tiles: VisualTokens['tiles']): number {
  const views = tiles && tiles.rows * tiles.columns + 1;
  const places = text.filter((id) => id === imageToken).length;
  if (places === 1 || places === views) return places;
  const what = `one image token (id ${imageToken})${views === undefined ? '' : `, or ${views} for tiles and whole,`}`;
  throw expectedButFound('ERR_ARGUMENT', what, 'the prompt', `${places} of them`);
}

/** Once for each model: what it shadows is the class's method, which stays as it is. */
function hook(model: { encode_image: EncodeImage }): void {
  if (hooked.has(model)) return;
  const encode = model.encode_image.bind(model);
  model.encode_image = (inputs) => {
    const { pixel_values: pixels } = inputs;
    const ours = typeof pixels === 'object' && pixels !== null && features.has(pixels);
    return ours ? Promise.resolve(pixels) : encode(inputs);
  };
  hooked.add(model);
}

interface Described {
  readonly imageToken: bigint;
  /** E, where the configuration says it. */
  readonly width: number | undefined;
  /** Of a Qwen2-VL: side of the squares of patches that its rows are. */
  readonly squareSide: number | undefined;
}

function describe(model: unknown): Described {
  const what = 'a model of transformers.js with encode_image and an image token';
  const { config, encode_image: encode, sessions } = (model ?? {}) as Record<string, unknown>;
  const fields = isJsonObject(config) ? config : {};
  const imageToken = fields.image_token_index ?? fields.image_token_id;
  if (typeof encode !== 'function' || !Number.isSafeInteger(imageToken)) {
    throw expected('ERR_ARGUMENT', what, 'model', model);
  }
  // Its files are transformers 4's: their decoders multiply every row by the root of E, a picture's after its encoder has divided them by it.
  if (fields.model_type === 'paligemma') {
    throw expectedButFound('ERR_UNSUPPORTED', 'a model that takes visual tokens as they are', 'model', 'a PaliGemma');
  }
  checkEmbedding(sessions);
  const text = isJsonObject(fields.text_config) ? fields.text_config : fields;
  const width = Number.isSafeInteger(text.hidden_size) ? (text.hidden_size as number) : undefined;
  const squareSide = fields.model_type === 'qwen2_vl' ? squareSideOf(fields.vision_config) : undefined;
  return { imageToken: BigInt(imageToken as number), width, squareSide };
}

function squareSideOf(vision: unknown): number {
  const { spatial_merge_size: side } = isJsonObject(vision) ? vision : {};
  return Number.isSafeInteger(side) && (side as number) > 0 ? (side as number) : 2;
}

/** transformers.js copies numbers between the two without a look at their types. */
function checkEmbedding(sessions: unknown): void {
  const session = isJsonObject(sessions) ? sessions.embed_tokens : undefined;
  const [output] = (isJsonObject(session) && Array.isArray(session.outputMetadata) ? session.outputMetadata : []) as {
    type?: string;
  }[];
  if (output?.type === undefined || output.type === 'float32') return;
  throw expected('ERR_DTYPE', 'float32 embeddings', "the model's embed_tokens", output.type);
}

function idsOf(tokenizer: unknown, prompt: string, add: boolean): bigint[] {
  if (typeof tokenizer !== 'function') throw expected('ERR_ARGUMENT', 'a tokenizer', 'tokenizer', tokenizer);
  const made: unknown = (tokenizer as (...args: unknown[]) => unknown)(prompt, { add_special_tokens: add });
  const ids = (made as { input_ids?: TransformersTensor } | undefined)?.input_ids?.data;
  if (ids instanceof BigInt64Array) return [...ids];
  throw expected('ERR_ARGUMENT', 'token ids (int64)', 'input_ids of the tokenizer', ids);
}
