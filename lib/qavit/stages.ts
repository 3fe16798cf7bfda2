import { types } from 'node:util';
import type { Calls } from '../calls/calls';
import { checkOptions, isPlainObject } from '../calls/options';
import { expected, expectedButFound } from '../errors';
import { type ImageInput, type ImageLimits, type MostPatches, type PreprocessorConfig, shapesOf } from '../image';
import type { Size } from '../image/geometry';
import { resolveLimits } from '../image/limits';
import { DECODING_RULES } from '../llm/decoding-rules';
import type { AnswerEnd, LanguageModel, QuestionEncoding } from '../llm/language-model';
import { CALL_RULES, PREPARE_RULES } from './call-rules';
import type { EncodingContext } from './encoding';
import type { LoadedModel } from './load';
import { lookAt } from './looking';
import { preparePicture } from './pictures';
import { Snapshots } from './snapshots';
import type { AnswerOptions, CallOptions, Looked, Picture, QuestionFeatures, VisualTokens } from './types';

/**
 * The steps that QAViT's methods are made of, one by one, for servers that interleave many requests: each can be repeated, cached, shared
 * and put into batches by itself. `encodeBatch` takes what `look` and `listen` give.
 *
 * They count as calls of the model and reject as its methods do.
 */
export class Stages {
  constructor(
    private readonly calls: Calls,
    private readonly loaded: LoadedModel,
    private readonly context: EncodingContext,
  ) {}

  /** Decodes, resizes, crops and cuts a picture for the tower. */
  async prepare(image: ImageInput, options?: CallOptions & { limits?: ImageLimits }): Promise<Picture> {
    const { signal, limits } = checkOptions(options, PREPARE_RULES, 'stages.prepare');
    const { engine, preprocessor, limits: usual } = this.context;
    const within = resolveLimits(limits, 'limits of stages.prepare', usual);
    return this.calls.run('stages.prepare', signal, async (abort) =>
      preparePicture(new Snapshots().image(image), preprocessor, engine.model.image, abort, within),
    );
  }

  /**
   * Runs prepared pictures through the layers that do not depend on the question, together.
   *
   * @param pictures as prepare() gives them; `tiles.picture` too, where borders fill the tiles
   * @returns one a picture, each with memory of its own
   */
  async look(pictures: readonly Picture[], options?: CallOptions): Promise<Looked[]> {
    const { signal } = checkOptions(options, CALL_RULES, 'stages.look');
    const { engine, preprocessor } = this.context;
    return this.calls.run('stages.look', signal, async (abort) => {
      checkPictures(pictures, engine.model.image, preprocessor);
      const snapshots = new Snapshots();
      const copies = pictures.map((picture) => snapshots.picture(picture));
      return lookAt(engine, copies, abort);
    });
  }

  /** Features of a question in words, [K, Dq]. */
  async listen(question: string, options?: CallOptions): Promise<QuestionFeatures> {
    const { signal } = checkOptions(options, CALL_RULES, 'stages.listen');
    if (typeof question !== 'string') throw expected('ERR_ARGUMENT', 'a string', 'question of stages.listen', question);
    return this.calls.run('stages.listen', signal, async (abort) => {
      const { questions } = this.context;
      questions.check(question, 'question');
      const features = await questions.encode(question, abort);
      return features ?? { data: new Float32Array(), shape: [0, this.loaded.vision.model.questionWidth ?? 0] };
    });
  }

  /** The language model's answer from projected visual tokens, as QAViT.ask gives it. */
  async *answer(
    tokens: VisualTokens,
    question: string,
    options?: AnswerOptions,
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const { signal, ...decoding } = checkOptions(options, DECODING_RULES, 'stages.answer');
    const language = languageOf(this.loaded, 'stages.answer');
    const reading = readingOf(this.loaded);
    return yield* this.calls.stream('stages.answer', signal, (abort) =>
      language.generate(tokens, question, { ...decoding, question: reading, signal: abort }),
    );
  }
}

/** @throws QAViTError ERR_ARGUMENT where there is none */
export function languageOf({ language }: LoadedModel, where: string): LanguageModel {
  if (language) return language;
  throw expectedButFound('ERR_ARGUMENT', 'a model with a language model', where, 'one without');
}

/** How the language model reads the question: as the adapter says, but in full where the model has a way of being asked of its own. */
export function readingOf({ language, vision }: LoadedModel): QuestionEncoding | undefined {
  return language?.info.visionLanguage === undefined ? vision.question : undefined;
}

function checkPictures(pictures: readonly Picture[], size: Size, preprocessor: PreprocessorConfig): void {
  const where = 'stages.look';
  if (!Array.isArray(pictures)) throw expected('ERR_ARGUMENT', 'an array of prepared pictures', where, pictures);
  pictures.forEach((picture: unknown, i) => {
    const at = `pictures[${i}] of ${where}`;
    if (!isPlainObject(picture)) throw expected('ERR_ARGUMENT', 'a prepared picture', at, picture);
    const { data, width, height, tiles } = picture;
    const shapes = shapesOf(preprocessor);
    if (shapes) return checkShape(picture, shapes, at);
    const fits = isPixels(data, size.width * size.height) && width === size.width && height === size.height;
    if (!fits) throw expected('ERR_SHAPE', `RGB of ${size.width} x ${size.height} pixels`, at, data);
    if (tiles !== undefined) checkTiles(tiles, size, preprocessor, `tiles of ${at}`);
  });
}

/** Of a picture in a shape of its own. */
function checkShape(picture: Record<string, unknown>, { patch, patches }: MostPatches, at: string): void {
  const { data, width, height, tiles } = picture;
  const isShape = isPositive(width) && isPositive(height) && width % patch === 0 && height % patch === 0;
  if (!isShape || (width / patch) * (height / patch) > patches) {
    const what = `width and height in multiples of ${patch}, at most ${patches} squares of that,`;
    throw expectedButFound('ERR_SHAPE', what, at, `${String(width)} x ${String(height)}`);
  }
  if (!isPixels(data, width * height)) throw expected('ERR_SHAPE', `RGB of ${width} x ${height} pixels`, at, data);
  if (tiles !== undefined) throw expected('ERR_ARGUMENT', 'none, as the model was loaded for', `tiles of ${at}`, tiles);
}

function checkTiles(
  tiles: unknown,
  { width, height }: Size,
  { tiles: most = 0, tiling }: PreprocessorConfig,
  where: string,
): void {
  if (!isPlainObject(tiles)) throw expected('ERR_ARGUMENT', '{ rows, columns, data }', where, tiles);
  const { rows, columns, data, picture } = tiles;
  const count = isPositive(rows) && isPositive(columns) ? rows * columns : 0;
  if (count < 1 || count > most) {
    const what = `a grid of at most ${most} tiles, as the model was loaded for`;
    throw expectedButFound('ERR_ARGUMENT', what, where, `${String(rows)} x ${String(columns)}`);
  }
  // Where borders fill a grid nothing else says how wide they are.
  const sized = picture !== undefined || tiling?.by === 'fit';
  if (sized && !(isPlainObject(picture) && isPositive(picture.width) && isPositive(picture.height))) {
    throw expected('ERR_ARGUMENT', '{ width, height } in pixels', `picture of ${where}`, picture);
  }
  if (isPixels(data, count * width * height)) return;
  throw expected('ERR_SHAPE', `RGB of ${count} times ${width} x ${height} pixels`, where, data);
}

function isPositive(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isPixels(data: unknown, pixels: number): boolean {
  return types.isUint8Array(data) && data.length === pixels * 3;
}
