import { expected, expectedButFound } from '../../errors';
import { digest, firstNonFinite } from '../../weights';
import { narrowed } from '../../weights/elements';
import { torchSave } from '../../weights/torch/torch-save';
import { checkOptions } from '../../calls/options';
import { checkTokens } from '../checks';
import type { VisualTokens } from '../language-model';
import { DTYPE, type TravelDType } from './server';

export interface PartOptions {
  /** `bf16`, the default, is half of f32's bytes and what most models compute in; `f16` where the server's model does. */
  dtype?: TravelDType;
}

/** A content part of a chat message: rows in place of text tokens. The `data` alone is what completions take as `prompt_embeds`. */
export interface PromptEmbedsPart {
  type: 'prompt_embeds';
  /** Base64 of a file of torch.save, [N, E]. */
  data: string;
}

/** A content part of a chat message: rows in place of what the server's own vision encoder would make of a picture. */
export interface ImageEmbedsPart {
  type: 'image_embeds';
  /** Base64 of a file of torch.save, [N, E]. */
  image_embeds: string;
  /** What the server caches the picture under. */
  uuid: string;
}

/** The same for models that are told where in the picture rows are. */
export interface ImageGridEmbedsPart {
  type: 'image_embeds';
  image_embeds: {
    /** Base64 of a file of torch.save, [N, E]. */
    image_embeds: string;
    /** Base64 of a file of torch.save, int64 [3]: 1, and the rows and columns of the picture's patches. */
    image_grid_thw: string;
  };
  /** What the server caches the picture under. */
  uuid: string;
}

/** Far above any picture's tokens, and below the longest string that JavaScript has once it is base64. */
const MAX_BYTES = 256 * 2 ** 20;

/**
 * Visual tokens as the bytes that `torch.save(tensor, file)` writes, [N, E]; `torch.load(file, weights_only=True)` reads them.
 *
 * @throws QAViTError ERR_ARGUMENT, ERR_DTYPE or ERR_SHAPE unless `tokens` are N x E finite numbers that `dtype` can hold
 */
export function torchTensor(tokens: VisualTokens, options?: PartOptions): Buffer {
  checkTokens(tokens);
  return tensorOf(tokens, dtypeOf(options, 'torchTensor'));
}

/**
 * For text models, `vllm serve --enable-prompt-embeds`: a content part for chat; `promptEmbeds(tokens).data` is the field
 * `prompt_embeds` of completions, which take the whole prompt as rows.
 *
 * @throws QAViTError as torchTensor()
 */
export function promptEmbeds(tokens: VisualTokens, options?: PartOptions): PromptEmbedsPart {
  checkTokens(tokens);
  return { type: 'prompt_embeds', data: tensorOf(tokens, dtypeOf(options, 'promptEmbeds')).toString('base64') };
}

/**
 * For vision-language models, `vllm serve --enable-mm-embeds`: a content part for chat.
 *
 * @throws QAViTError as torchTensor()
 */
export function imageEmbeds(tokens: VisualTokens, options?: PartOptions): ImageEmbedsPart {
  checkTokens(tokens);
  const dtype = dtypeOf(options, 'imageEmbeds');
  const data = tensorOf(tokens, dtype).toString('base64');
  return { type: 'image_embeds', image_embeds: data, uuid: keyOf(tokens, dtype) };
}

/**
 * The same for Qwen2-VL and others whose rows have places in the picture, which the server counts from the grid of its patches.
 *
 * @throws QAViTError as torchTensor(), and ERR_ARGUMENT for tokens without a `grid`
 */
export function imageGridEmbeds(tokens: VisualTokens, options?: PartOptions): ImageGridEmbedsPart {
  const { image_embeds, ...part } = imageEmbeds(tokens, options);
  const { grid } = tokens;
  if (!grid) throw expected('ERR_ARGUMENT', '{ rows, columns }', 'the grid of visual tokens', grid);
  const sizes = BigInt64Array.of(1n, BigInt(grid.rows), BigInt(grid.columns));
  const file = torchSave(new Uint8Array(sizes.buffer), 'i64', [3]);
  return { ...part, image_embeds: { image_embeds, image_grid_thw: file.toString('base64') } };
}

/**
 * What caches may know visual tokens by: H(picture || question || weights), and the type they travel as. Servers that cache under the
 * picture alone would give one question's tokens to another.
 *
 * Made of `tokens.key` where there is one, as `encode` gives it, else of the numbers themselves.
 *
 * @returns sha-256, hex
 */
export function cacheKey(tokens: VisualTokens, options?: PartOptions): string {
  checkTokens(tokens);
  return keyOf(tokens, dtypeOf(options, 'cacheKey'));
}

function keyOf({ data, shape, key, grid }: VisualTokens, dtype: TravelDType): string {
  const { buffer, byteOffset, byteLength } = data;
  const of = grid ? [`of ${grid.rows} x ${grid.columns}`] : [];
  const content = key ?? digest([shape.join(), ...of, new Uint8Array(buffer, byteOffset, byteLength)]);
  return digest(['visual tokens', content, dtype]);
}

/** Of checked tokens. */
function tensorOf({ data, shape }: VisualTokens, dtype: TravelDType): Buffer {
  const numbers = narrowed(data, dtype);
  if (numbers.byteLength > MAX_BYTES) {
    const what = `at most ${MAX_BYTES} bytes`;
    throw expectedButFound('ERR_ARGUMENT', what, 'visual tokens on their way to a server', `${numbers.byteLength}`);
  }
  const beyond = firstNonFinite(numbers, dtype);
  if (beyond >= 0) {
    const found = `${data[beyond]} at ${beyond}`;
    throw expectedButFound('ERR_ARGUMENT', `numbers that ${dtype} holds`, 'the data of visual tokens', found);
  }
  return torchSave(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), dtype, shape);
}

function dtypeOf(options: PartOptions | undefined, where: string): TravelDType {
  return checkOptions<PartOptions>(options, { dtype: DTYPE }, where).dtype ?? 'bf16';
}
