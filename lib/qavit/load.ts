import { computerOf, type DeviceName, openDevice } from '../binding/open-device';
import { expected, expectedButFound } from '../errors';
import { type ImageLimits, shapesOf } from '../image';
import { resolveLimits } from '../image/limits';
import type { LanguageModel, LoadLanguageModelOptions, QuestionReader } from '../llm/language-model';
import { loadLanguageModel } from '../llm/load-language-model';
import { loadQuestionReader } from '../llm/load-question-reader';
import { missingLanguageFiles, ONNX_DTYPES } from '../llm/onnx/onnx-folder';
import { isT5Folder } from '../llm/t5/t5-folder';
import { isServer } from '../llm/vllm/server';
import { VllmLanguageModel } from '../llm/vllm/vllm-language-model';
import { digest } from '../weights';
import { throwIfAborted } from '../calls/abort';
import { MAX_IMAGE_SIZE } from '../models/tower';
import { Engine } from './engine';
import { findModel } from './model-folders';
import { openVision, type OpenVision, type VisionOptions } from './open-vision';
import { choosePrecision, type Precision } from './precision';
import {
  abortSignal,
  anything,
  boolean,
  callback,
  checkOptions,
  deviceName,
  either,
  integer,
  isPlainObject,
  oneOf,
  type Rule,
} from '../calls/options';
import { expectSelectable, selectionOf } from './token-selection';
import type { LoadOptions, ModelFolders } from './types';

/** Everything a QAViT is made of, loaded. */
export interface LoadedModel {
  readonly folders: ModelFolders;
  readonly vision: OpenVision;
  readonly engine: Engine;
  readonly dtype: Precision['dtype'];
  readonly padding: 'mask' | 'attend';
  readonly maxPending?: number;
  /** What one picture may cost. */
  readonly limits: Required<ImageLimits>;
  /** Handed over unless a call says otherwise; all unless given. */
  readonly visualTokens?: number;
  readonly language?: LanguageModel;
  /** What a vision-language model's folder lacks to be its own language model. */
  readonly missingFiles: readonly string[];
  /** Reads questions in words: the language model, or a folder of their own. */
  readonly questions?: QuestionReader;
  /** Stands for weights and settings in the keys of results. */
  readonly fingerprint: string;
}

const SIDE = integer(1, MAX_IMAGE_SIZE);
const SIZE: Rule = {
  what: '{ width, height } of such',
  accepts: (value) =>
    isPlainObject(value) && Object.keys(value).length === 2 && SIDE.accepts(value.width) && SIDE.accepts(value.height),
};

const OWN_SHAPES: Rule = {
  what: '{ maxPatches } of at least 1',
  accepts: (value) =>
    isPlainObject(value) && Object.keys(value).length === 1 && integer(1, 2 ** 31).accepts(value.maxPatches),
};

const RULES = {
  device: deviceName,
  languageDevice: deviceName,
  dtype: oneOf('auto', 'f32', 'bf16', 'f16', 'int8'),
  languageDType: oneOf('auto', ...ONNX_DTYPES),
  padding: oneOf('mask', 'attend'),
  threads: integer(1, 256),
  hiddenLayer: integer(-1e6, 1e6), // against the tower's layers once they are known
  keepClass: boolean,
  imageSize: either(SIDE, SIZE, OWN_SHAPES),
  tiles: either(integer(0, 100), oneOf('auto')),
  visualTokens: integer(1, 2 ** 31), // against the tower's tokens once they are known
  maxPending: integer(1, 2 ** 31),
  limits: anything, // checked below
  offline: boolean,
  onProgress: callback,
  signal: abortSignal,
};

/** @param folds false keeps every published operation apart, for tests of the folds */
export async function loadModel(
  model: string | ModelFolders,
  options: LoadOptions | undefined,
  folds = true,
): Promise<LoadedModel> {
  const {
    device: kind = 'auto',
    threads,
    padding = 'mask',
    signal,
    ...rest
  } = checkOptions(options, RULES, 'QAViT.load');
  throwIfAborted(signal, 'QAViT.load');
  const limits = resolveLimits(rest.limits, 'limits of QAViT.load');
  const { hiddenLayer, keepClass, tiles, visualTokens, languageDevice, maxPending, offline, onProgress } = rest;
  // Its owner's to write to as soon as anything is awaited.
  const imageSize = typeof rest.imageSize === 'object' ? { ...rest.imageSize } : rest.imageSize;
  const folders = await findModel(model, { offline, languageDType: rest.languageDType, onProgress, signal });
  const opening: VisionOptions = { hiddenLayer, keepClass, imageSize, tiles, folds };
  const vision = await openVision(folders, opening);
  const closing: (() => Promise<void> | void)[] = [() => vision.close()];
  try {
    expectOneView(vision);
    if (visualTokens !== undefined) expectSelectable(selectionOf(vision), visualTokens, 'QAViT.load');
    const device = openDevice(kind, threads);
    closing.push(() => device.close());
    const precision = choosePrecision(device, rest.dtype ?? 'auto');
    await expectT5OnGpu(languageDevice, folders);
    const { dtype } = precision;
    const engine = new Engine(device, vision.model, precision);
    const shapes = shapesOf(vision.preprocessor);
    // Where pictures have many shapes, which of them come is not known, and tables of the largest are as large as a tower's weights.
    await engine.prepare(signal, shapes && { width: shapes.patch, height: shapes.patch });
    const here = {
      device: languageDevice ?? computerOf(device.info),
      threads,
      dtype: languageFloat(rest.dtype),
      onnxDType: rest.languageDType,
      signal,
    };
    const language = await openLanguage(folders, vision, here);
    if (language) closing.push(() => language.close());
    expectTilesRead(vision, language);
    const questions = await openQuestions(folders, vision, language, here);
    if (questions) closing.push(() => questions.close());
    const missingFiles = vision.whole && !language ? await missingLanguageFiles(folders.tower) : [];
    throwIfAborted(signal, 'QAViT.load');
    const { stop, image } = vision.model;
    const settings = JSON.stringify([dtype, padding, stop, vision.model.keepClass, image]);
    const fingerprint = digest([vision.fingerprint, settings]);
    const parts = { folders, vision, engine, language, questions, missingFiles };
    return { ...parts, dtype, padding, maxPending, limits, visualTokens, fingerprint };
  } catch (error) {
    await Promise.allSettled(closing.map(async (close) => close()));
    throw error;
  }
}

/** Frees everything; what runs ends with ERR_ABORTED. Idempotent. */
export async function closeModel({ engine, language, questions, vision }: LoadedModel): Promise<void> {
  await Promise.all([engine.device.close(), language?.close(), questions?.close()]);
  vision.close();
}

/** Ratings of tiles and whole would have to be compared, which no adapter was trained for. */
function expectOneView({ model, preprocessor }: OpenVision): void {
  const { tiles = 0 } = preprocessor;
  if (tiles === 0 || !model.selector) return;
  throw expectedButFound('ERR_UNSUPPORTED', 'an adapter without a token selector', `option tiles ${tiles}`, 'one with');
}

/** Only a family says what stands between tiles where they are read, and no other's language model knows it. */
function expectTilesRead(
  { preprocessor: { tiles = 0 }, whole }: OpenVision,
  language: LanguageModel | undefined,
): void {
  if (tiles === 0 || !language || language.info.visionLanguage === (whole ?? null)) return;
  const { path, visionLanguage } = language.info;
  const what =
    whole === undefined
      ? 'no language model beside a tower alone'
      : `the language half of the same kind of model (${whole})`;
  const found = visionLanguage === undefined ? path : `${path} (${visionLanguage})`;
  throw expectedButFound('ERR_UNSUPPORTED', what, `option tiles ${tiles}`, found);
}

/** A language model that is computed here takes the tower's dtype if it can: T5's activations leave f16's range, and it has no int8. */
function languageFloat(asked: LoadOptions['dtype']): LoadLanguageModelOptions['dtype'] {
  return asked === 'f32' || asked === 'bf16' ? asked : 'auto';
}

/** @throws QAViTError ERR_UNSUPPORTED where a GPU was asked for, and the language model cannot be on one */
async function expectT5OnGpu(asked: DeviceName | undefined, { language: place }: ModelFolders): Promise<void> {
  if (!asked?.startsWith('cuda') || place === undefined) return;
  if (isServer(place) || !(await isT5Folder(place))) {
    const found = isServer(place) ? 'a server' : place;
    throw expectedButFound('ERR_UNSUPPORTED', 'the folder of a T5 with its weights', `languageDevice ${asked}`, found);
  }
}

async function openLanguage(
  { language: place }: ModelFolders,
  vision: OpenVision,
  options: LoadLanguageModelOptions,
): Promise<LanguageModel | undefined> {
  if (place === undefined) return undefined;
  const width = vision.languageWidth ?? vision.model.width;
  if (isServer(place)) return VllmLanguageModel.open(place, { width, grid: vision.placedRows });
  const language = await loadLanguageModel(place, options);
  return fitting(language, language.info.width, width, `width E = ${width}, as the projector gives,`);
}

/** @returns undefined where questions can come as features only */
async function openQuestions(
  { questions: folder }: ModelFolders,
  { model: { questionWidth } }: OpenVision,
  language: LanguageModel | undefined,
  options: LoadLanguageModelOptions,
): Promise<QuestionReader | undefined> {
  const reader = folder === undefined ? language : await loadQuestionReader(folder, options);
  const found = reader?.info.questionWidth ?? null;
  if (!reader || found === null || questionWidth === undefined) return reader;
  return fitting(reader, found, questionWidth, `question width Dq = ${questionWidth}, as the adapter takes,`);
}

/** What was opened, if it fits; else it is closed. */
async function fitting<T extends QuestionReader>(opened: T, found: number, wanted: number, what: string): Promise<T> {
  if (found === wanted) return opened;
  await opened.close();
  throw expected('ERR_SHAPE', what, `language model ${opened.info.path}`, found);
}
