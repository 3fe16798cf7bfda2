import { expected } from '../errors';
import type { JsonObject } from '../json-file';
import { visionLanguageFamily, type VisionLanguageFamily } from '../models/vision-language';
import type { JsonFields } from '../json-fields';

/** Where the question goes in a prompt template. */
export const QUESTION_SLOT = '{question}';

/** What `config.json` says that a runtime must know. */
export interface ModelConfig {
  readonly kind: 'encoder-decoder' | 'decoder-only';
  /** E, where the file says it. */
  readonly width: number | undefined;
  readonly vocabularySize: number;
  /** How many positions a decoder-only model knows; relative ones have no end. */
  readonly positions: number | undefined;
  /** The text around the question, where the file says one. */
  readonly prompt: string | undefined;
  /** The token in whose place the visual tokens go; without it they go first. */
  readonly imageToken: number | undefined;
  /** What the file calls it. */
  readonly imageTokenField: string;
  /** Side of the squares of patches that a picture's rows stand for, where the decoder is told places of rows. */
  readonly squareSide: number | undefined;
  /** Of a vision-language model. */
  readonly family: VisionLanguageFamily | undefined;
}

/** What vision-language files leave out of `text_config` because it equals the default of the class that its model_type names. */
const TEXT_DEFAULTS: Readonly<Record<string, JsonObject>> = {
  llama: { vocab_size: 32000, hidden_size: 4096, max_position_embeddings: 2048, eos_token_id: 2 },
  mistral: { vocab_size: 32000, hidden_size: 4096, max_position_embeddings: 131072, eos_token_id: 2 },
  qwen2: { vocab_size: 151936, hidden_size: 4096, max_position_embeddings: 32768 },
  qwen2_vl_text: { vocab_size: 152064, hidden_size: 8192, max_position_embeddings: 32768, eos_token_id: 151645 },
  qwen3: { vocab_size: 151936, hidden_size: 4096, max_position_embeddings: 32768 },
  gemma: { vocab_size: 256000, hidden_size: 3072, max_position_embeddings: 8192, eos_token_id: 1 },
  gemma2: { vocab_size: 256000, hidden_size: 2304, max_position_embeddings: 8192, eos_token_id: 1 },
  gemma3_text: { vocab_size: 262208, hidden_size: 2304, max_position_embeddings: 131072, eos_token_id: 1 },
};

/**
 * Reads a transformers `config.json`, of a language model or of a vision-language model that nests one in `text_config`. Besides
 * transformers' own fields it may hold `prompt_template`: `"USER: <image>\n{question} ASSISTANT:"`, say, with the token that
 * `image_token_index` (or `image_token_id`) names at the visual tokens' place.
 */
export function readModelConfig(file: JsonFields): ModelConfig {
  const family = visionLanguageFamily(file.value('model_type'));
  const text = languageFields(file);
  const pick = (...keys: string[]) => keys.map((key) => text.integer(key)).find((size) => size !== undefined);
  const vocabularySize = text.integer('vocab_size');
  if (!vocabularySize) throw expected('ERR_FORMAT', 'a positive integer', text.where('vocab_size'), vocabularySize);
  const encoderDecoder = file.flag('is_encoder_decoder') || text.flag('is_encoder_decoder');
  // LLaVA's files have the first, newer families' the second.
  const fields = ['image_token_index', 'image_token_id'] as const;
  const imageTokenField = fields.find((key) => file.integer(key) !== undefined) ?? fields[0];
  const imageToken = file.integer(imageTokenField) ?? family?.language.imageToken;
  if (family && imageToken !== undefined && imageToken >= vocabularySize) {
    throw expected('ERR_FORMAT', `below vocab_size ${vocabularySize}`, file.where(imageTokenField), imageToken);
  }
  return {
    kind: encoderDecoder ? 'encoder-decoder' : 'decoder-only',
    width: pick('d_model', 'hidden_size', 'n_embd'),
    vocabularySize,
    positions: encoderDecoder ? undefined : pick('max_position_embeddings', 'n_positions'),
    prompt: readPrompt(file),
    imageToken,
    imageTokenField,
    squareSide: family?.language.placedRows ? squareSideOf(file.object('vision_config')) : undefined,
    family,
  };
}

function squareSideOf(vision: JsonFields): number {
  const side = vision.integer('spatial_merge_size') ?? 2;
  if (side > 0) return side;
  throw expected('ERR_FORMAT', 'a positive integer', vision.where('spatial_merge_size'), side);
}

/** The part of `config.json` that is about the language model. */
export function languageFields(file: JsonFields): JsonFields {
  const family = visionLanguageFamily(file.value('model_type'));
  if (!family) {
    return file.value('text_config') === undefined ? file : file.object('text_config');
  }
  const isFlat = family.language.flat && file.value('text_config') === undefined;
  const text = isFlat ? file : file.object('text_config');
  const type = (isFlat ? undefined : text.text('model_type')) ?? family.language.model;
  return Object.hasOwn(TEXT_DEFAULTS, type) ? text.over(TEXT_DEFAULTS[type] ?? {}) : text;
}

function readPrompt(file: JsonFields): string | undefined {
  const prompt = file.text('prompt_template');
  if (prompt === undefined || prompt.split(QUESTION_SLOT).length === 2) return prompt;
  throw expected('ERR_FORMAT', `a text with one ${QUESTION_SLOT}`, file.where('prompt_template'), prompt);
}
