import { randomInt } from 'node:crypto';
import { types } from 'node:util';

import { abortSignal, checkOptions, deviceName, integer, isPlainObject, oneOf } from '../calls/options';
import { expected, expectedButFound } from '../errors';
import { normalizeQuestion } from '../text/normalize-question';
import { expectShortText } from '../text/text-limit';
import { firstNonFinite } from '../weights';
import { DECODING_RULES } from './decoding-rules';
import type { GenerateOptions, LoadLanguageModelOptions, QuestionEncoding, VisualTokens } from './language-model';
import { ONNX_DTYPES } from './onnx/onnx-folder';
import type { Framing } from './prompt';
import type { Sampling } from './sampler';

/** What is read of a question: normalised text, cut after so many tokens. */
export interface QuestionText {
  text: string;
  maxTokens: number | undefined;
}

export interface GenerateSettings {
  question: QuestionText;
  framing: Framing;
  maxNewTokens: number;
  sampling: Sampling;
  stop: readonly string[];
}

const MAX_NEW_TOKENS = 30;

// ONNX Runtime takes counts of 32 bits.
const count = integer(1, 2 ** 31 - 1);
const normalization = oneOf('qa-vit', 'none');
const features = oneOf('encoder', 'embedding');

/**
 * @param width E where it is known
 * @throws QAViTError unless `tokens` are N x E finite numbers, N > 0, and their key a name if they have one
 */
export function checkTokens(tokens: VisualTokens, width?: number): void {
  const received: unknown = tokens;
  if (!isPlainObject(received)) throw expected('ERR_ARGUMENT', '{ data, shape }', 'visual tokens', received);
  const { data, shape, key, tiles, grid } = tokens;
  if (!types.isFloat32Array(data)) throw expected('ERR_DTYPE', 'a Float32Array', 'the data of visual tokens', data);
  if (!Array.isArray(shape) || shape.length !== 2 || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw expected('ERR_SHAPE', '[N, E]', 'the shape of visual tokens', shape);
  }
  const [rows, columns] = shape;
  if (columns !== (width ?? columns)) {
    const what = `[N, E = ${width}] (the width of the language model)`;
    throw expectedButFound('ERR_SHAPE', what, 'the shape of visual tokens', `[${rows}, ${columns}]`);
  }
  if (data.length !== rows * columns) {
    throw expectedButFound('ERR_SHAPE', `${rows * columns} numbers`, 'the data of visual tokens', `${data.length}`);
  }
  const bad = firstNonFinite(data, 'f32');
  if (bad >= 0) throw expected('ERR_ARGUMENT', 'finite numbers', `the data of visual tokens at ${bad}`, data[bad]);
  if (tiles !== undefined) checkGrid(tiles, 'tiles');
  if (grid !== undefined) checkGrid(grid, 'grid');
  // Caches would take all tokens of an empty name for the same.
  if (key === undefined || (typeof key === 'string' && key !== '')) return;
  throw expected('ERR_ARGUMENT', 'a string that is not empty', 'the key of visual tokens', key);
}

function checkGrid(grid: unknown, name: string): void {
  const { rows, columns } = isPlainObject(grid) ? grid : {};
  if ([rows, columns].every((count) => Number.isSafeInteger(count) && (count as number) > 0)) return;
  throw expected('ERR_ARGUMENT', '{ rows, columns }', `the ${name} of visual tokens`, grid);
}

/** @throws QAViTError ERR_ARGUMENT */
export function checkGenerate(question: string, options: GenerateOptions): GenerateSettings {
  const rules = { ...DECODING_RULES, question: { what: 'an object', accepts: isPlainObject } };
  const given = checkOptions<GenerateOptions>(options, rules, 'generate');
  const { maxNewTokens = MAX_NEW_TOKENS, question: how } = given;
  // The caller's to change from now on.
  const stop = [...(given.stop ?? [])];
  const reading = { normalization, maxTokens: count, features };
  const checked = checkOptions<Partial<QuestionEncoding>>(how, reading, 'options.question of generate');
  const framing = { system: given.system, before: given.before };
  const { temperature = 0, topK = 0, topP = 1, seed = randomInt(2 ** 32) } = given;
  const sampling = { temperature, topK, topP, seed };
  return { question: questionText(question, checked), framing, maxNewTokens, sampling, stop };
}

/**
 * @returns the question as the fused layers get it, which is never empty
 * @throws QAViTError ERR_ARGUMENT
 */
export function checkEncoding(question: string, how: QuestionEncoding): QuestionText {
  const where = 'the question encoding';
  checkOptions<QuestionEncoding>(how, { features, normalization, maxTokens: count }, where);
  for (const key of ['features', 'normalization', 'maxTokens'] as const) {
    if (how?.[key] === undefined) throw expected('ERR_ARGUMENT', key, where, how?.[key]);
  }
  const read = questionText(question, how);
  if (read.text.trim() !== '') return read;
  const what = how.normalization === 'none' ? 'text' : 'text besides . ! " ( ) * # : ; ~';
  throw expected('ERR_ARGUMENT', what, 'the question', question);
}

/** @throws QAViTError ERR_ARGUMENT */
export function checkEncodeOptions(options: { signal?: AbortSignal }): void {
  checkOptions<{ signal?: AbortSignal }>(options, { signal: abortSignal }, 'encodeQuestion');
}

/** @throws QAViTError ERR_ARGUMENT */
export function checkLoad(dir: string, options: LoadLanguageModelOptions): void {
  if (typeof dir !== 'string' || dir === '') throw expected('ERR_ARGUMENT', 'a path', 'the language model', dir);
  checkOptions<LoadLanguageModelOptions>(
    options,
    {
      device: deviceName,
      threads: integer(1, 256),
      dtype: oneOf('auto', 'f32', 'bf16'),
      onnxDType: oneOf('auto', ...ONNX_DTYPES),
      signal: abortSignal,
    },
    'loadLanguageModel',
  );
}

function questionText(question: string, how: NonNullable<GenerateOptions['question']>): QuestionText {
  if (typeof question !== 'string') throw expected('ERR_ARGUMENT', 'a string', 'the question', question);
  expectShortText(question, 'the question');
  return { text: normalizeQuestion(question, how.normalization ?? 'none'), maxTokens: how.maxTokens };
}
