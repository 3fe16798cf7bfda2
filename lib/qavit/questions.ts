import { types } from 'node:util';
import type { DeviceInfo } from '../binding/native';
import { expected, expectedButFound } from '../errors';
import type { QuestionFeatures, QuestionReader } from '../llm/language-model';
import type { QuestionConfig } from '../models/adapter-config';
import { firstNonFinite } from '../weights';
import { isPlainObject } from '../calls/options';
import type { QuestionInput } from './types';

/** Question lengths that plans are made for: one plan serves many questions, and the rows beyond a question's end cost little. */
const LENGTHS = [8, 16, 32, 64, 128];
/** On a GPU every plan is a CUDA graph of its own too, and tiles have 16 rows whether they are filled or not. */
const SHORTEST = { cpu: 8, reference: 8, cuda: 16 };

/** The smallest planned length that holds `tokens` rows, on a device of this kind. */
export function plannedLength(tokens: number, kind: DeviceInfo['kind']): number {
  const rows = Math.max(tokens, SHORTEST[kind]);
  return LENGTHS.find((length) => length >= rows) ?? Math.ceil(rows / 128) * 128;
}

/** Rows of the longest question; 0 where there is none. Of however many: more than a call takes as arguments. */
export function longestOf(questions: readonly QuestionFeatures[]): number {
  return questions.reduce((most, { shape }) => Math.max(most, shape[0]), 0);
}

/** Turns questions into features: those made elsewhere are checked, words go through what reads them. */
export class QuestionEncoder {
  /**
   * @param width Dq; undefined where the model has no adapter
   */
  constructor(
    private readonly width: number | undefined,
    private readonly how: QuestionConfig | undefined,
    private readonly reader: QuestionReader | undefined,
  ) {}

  /** Whether questions may be words. */
  get readsWords(): boolean {
    return this.width !== undefined && (this.reader?.info.questionWidth ?? null) !== null;
  }

  /**
   * What can be known before any work is done.
   *
   * @throws QAViTError ERR_ARGUMENT, ERR_SHAPE or ERR_DTYPE
   */
  check(question: QuestionInput, where: string): void {
    if (question === null) return;
    expectKind(question, where);
    if (this.width === undefined) throw expected('ERR_ARGUMENT', 'null (the model has no adapter)', where, question);
    if (typeof question !== 'string') return checkFeatures(question, this.width, where);
    if (this.readsWords) return;
    const what = this.reader
      ? 'question features { data, shape: [K, Dq] } or a folder that reads questions beside the server (`questions`)'
      : 'question features { data, shape: [K, Dq] } or a model that reads questions (load one with `language` or `questions`)';
    throw expected('ERR_ARGUMENT', what, where, question);
  }

  /** Features of a checked question; null where there is nothing to listen to. */
  async encode(question: QuestionInput, signal: AbortSignal): Promise<QuestionFeatures | null> {
    if (question === null) return null;
    const features = typeof question === 'string' ? await this.encodeText(question, signal) : question;
    return features.shape[0] === 0 ? null : features;
  }

  private async encodeText(question: string, signal: AbortSignal): Promise<QuestionFeatures> {
    const { reader, how, width = 0 } = this;
    if (!reader || !how) throw expected('ERR_ARGUMENT', 'a language model', 'a question in words', question);
    const features = await reader.encodeQuestion(question, how, { signal });
    checkFeatures(features, width, 'question features of the language model');
    return features;
  }
}

/** @throws QAViTError ERR_ARGUMENT, ERR_SHAPE or ERR_DTYPE for what is no question of any model */
export function expectQuestion(question: unknown, where: string): asserts question is QuestionInput {
  if (question === null) return;
  expectKind(question, where);
  if (typeof question !== 'string') checkFeatures(question, undefined, where);
}

function expectKind(question: unknown, where: string): asserts question is string | Record<string, unknown> {
  if (typeof question === 'string' || isPlainObject(question)) return;
  throw expected('ERR_ARGUMENT', 'a string, { data, shape } or null', where, question);
}

/** @param width Dq, where it is known */
function checkFeatures(
  features: QuestionFeatures | Record<string, unknown>,
  width: number | undefined,
  where: string,
): void {
  const { data, shape } = features;
  if (!types.isFloat32Array(data)) throw expected('ERR_DTYPE', 'a Float32Array', `data of ${where}`, data);
  const isShape = Array.isArray(shape) && shape.length === 2 && shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!isShape) throw expected('ERR_SHAPE', '[K, Dq]', `shape of ${where}`, shape);
  const [tokens, columns] = shape as [number, number];
  if (columns !== (width ?? columns)) throw expected('ERR_SHAPE', `[K, Dq=${width}]`, `shape of ${where}`, shape);
  if (data.length !== tokens * columns) {
    throw expected(
      'ERR_SHAPE',
      `${tokens * columns} numbers for [${tokens}, ${columns}]`,
      `data of ${where}`,
      data.length,
    );
  }
  const at = firstNonFinite(data, 'f32');
  if (at >= 0)
    throw expectedButFound('ERR_ARGUMENT', 'finite numbers', `data of ${where}`, `${data[at]} at element ${at}`);
}
