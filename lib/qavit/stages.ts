import { types } from 'node:util';
import type { Calls } from '../calls/calls';
import { checkOptions, isPlainObject } from '../calls/options';
import { expected, expectedButFound } from '../errors';
import type { ImageInput, ImageLimits } from '../image';
import { resolveLimits } from '../image/limits';
import { DECODING_RULES } from '../llm/decoding-rules';
import type { AnswerEnd, LanguageModel, QuestionEncoding } from '../llm/language-model';
import { CALL_RULES, PREPARE_RULES } from './call-rules';
import { type EncodingContext, joined, samplesPerRun } from './encoding';
import type { Engine } from './engine';
import { chunks } from './grouping';
import type { LoadedModel } from './load';
import { LookedPicture, preparePicture } from './pictures';
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

  /** Decodes, resizes and crops a picture for the tower. */
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
   * @returns one a picture, each with memory of its own
   */
  async look(pictures: readonly Picture[], options?: CallOptions): Promise<Looked[]> {
    const { signal } = checkOptions(options, CALL_RULES, 'stages.look');
    const { engine } = this.context;
    return this.calls.run('stages.look', signal, async (abort) => {
      checkPictures(pictures, engine.model.image);
      const snapshots = new Snapshots();
      const copies = pictures.map((picture) => snapshots.picture(picture));
      const all: LookedPicture[] = [];
      try {
        for (const run of chunks(copies, samplesPerRun(engine))) all.push(...(await lookTogether(engine, run, abort)));
        return all;
      } catch (error) {
        for (const looked of all) looked.dispose();
        throw error;
      }
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

async function lookTogether(engine: Engine, run: readonly Picture[], signal: AbortSignal): Promise<LookedPicture[]> {
  const stream = await engine.look(joined(run), run.length, signal);
  if (run.length === 1) return run.map((picture) => new LookedPicture(engine, picture, stream));
  try {
    const parts = await engine.split(stream, signal);
    return parts.map((part, i) => new LookedPicture(engine, run[i]!, part));
  } finally {
    stream.dispose();
  }
}

function checkPictures(pictures: readonly Picture[], side: number): void {
  const where = 'stages.look';
  if (!Array.isArray(pictures)) throw expected('ERR_ARGUMENT', 'an array of prepared pictures', where, pictures);
  pictures.forEach((picture: unknown, i) => {
    if (!isPlainObject(picture))
      throw expected('ERR_ARGUMENT', 'a prepared picture', `pictures[${i}] of ${where}`, picture);
    const { data, width, height } = picture;
    const fits = types.isUint8Array(data) && data.length === side * side * 3 && width === side && height === side;
    if (fits) return;
    throw expected('ERR_SHAPE', `RGB of ${side} x ${side} pixels`, `pictures[${i}] of ${where}`, data);
  });
}
