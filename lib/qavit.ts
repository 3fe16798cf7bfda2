import { expected, expectedButFound } from './errors';
import { type ImageInput, maxPatchesOf } from './image';
import type { Output } from './models/plans';
import { throwIfAborted } from './calls/abort';
import { attendTo } from './qavit/attending';
import { ASK_RULES, CALL_RULES, ENCODE_RULES, ITEM_RULES } from './qavit/call-rules';
import { Calls } from './calls/calls';
import { type Asked, encodeAll, type EncodingContext } from './qavit/encoding';
import { closeModel, type LoadedModel, loadModel } from './qavit/load';
import { checkOptions, isPlainObject } from './calls/options';
import { lookAt } from './qavit/looking';
import { alreadyLooked, LookedPicture, preparePicture } from './qavit/pictures';
import { QuestionEncoder } from './qavit/questions';
import { Snapshots } from './qavit/snapshots';
import { languageOf, readingOf, Stages } from './qavit/stages';
import { expectSelectable, mostTokens, selectionOf } from './qavit/token-selection';
import type {
  AnswerEnd,
  AskOptions,
  AttentionMaps,
  BatchItem,
  CallOptions,
  EncodeOptions,
  LoadOptions,
  Looked,
  ModelFolders,
  ModelInfo,
  QuestionInput,
  VisualTokens,
} from './qavit/types';

/**
 * A model that was dropped without close() is closed when its calls are collected, which it shares with its stages and which a running call
 * holds; its language model's process would live on else.
 */
const forgotten = new FinalizationRegistry<LoadedModel>((loaded) => void closeModel(loaded).catch(() => undefined));

/**
 * A vision encoder that listens to the question: QA-ViT (Ganz et al., CVPR 2024, arXiv 2402.05472), its forward pass run in native
 * code, and the language model that answers from its visual tokens.
 *
 * Calls may overlap; the device works on them one after another. Arrays that a call was given are the caller's again when it has returned its
 * promise (`ask`: its first). Every method rejects with a `QAViTError`: ERR_ARGUMENT for a wrong
 * argument or a closed model, ERR_BUSY beyond `maxPending`, ERR_ABORTED once its signal fires, ERR_SHAPE or ERR_DTYPE for question features that do not fit, and
 * what `prepareImage` says about pictures (ERR_FORMAT, ERR_UNSUPPORTED).
 *
 * @example
 * await using model = await QAViT.load('demo');
 * for await (const text of model.ask('street.jpg', 'What is written on the blue sign?')) process.stdout.write(text);
 */
export class QAViT implements AsyncDisposable {
  /** What the methods are made of, step by step, for servers. */
  readonly stages: Stages;
  private readonly calls: Calls;
  private readonly questions: QuestionEncoder;
  private readonly context: EncodingContext;
  private closing: Promise<void> | undefined;

  private constructor(private readonly loaded: LoadedModel) {
    if (!(loaded as LoadedModel | undefined)?.engine)
      throw expectedButFound('ERR_ARGUMENT', 'await QAViT.load()', 'a model', 'new QAViT()');
    const { engine, vision, questions, padding, fingerprint, limits, maxPending } = loaded;
    this.calls = new Calls(maxPending);
    forgotten.register(this.calls, loaded, this.calls);
    this.questions = new QuestionEncoder(vision.model.questionWidth, vision.question, questions);
    const { preprocessor, placedRows } = vision;
    this.context = { engine, preprocessor, placedRows, questions: this.questions, padding, limits, fingerprint };
    this.stages = new Stages(this.calls, loaded, this.context);
  }

  /**
   * Loads a model: a folder whose config.json names its parts, a vision-language model's (LLaVA, SmolVLM) or a tower's folder, the name of an
   * embedded model (`demo`), of one at a hub (`org/name`, `org/name@revision`), or the parts themselves. What is not in the Hugging Face
   * cache yet is downloaded into it.
   *
   * @throws QAViTError ERR_ARGUMENT (no such folder or model, wrong option), ERR_NETWORK, ERR_FORMAT, ERR_SHAPE or ERR_DTYPE (files that are damaged or do
   *   not fit together, named with field or tensor), ERR_UNSUPPORTED (architecture, dtype), ERR_DEVICE, ERR_OUT_OF_MEMORY, ERR_ABORTED
   * @example
   * const model = await QAViT.load({ tower: 'openai/clip-vit-large-patch14-336', adapter: './my-adapter' }, { dtype: 'bf16' });
   */
  static async load(model: string | ModelFolders = 'demo', options?: LoadOptions): Promise<QAViT> {
    return new QAViT(await loadModel(model, options));
  }

  /** What was loaded, where to, and what it holds there now. */
  get info(): ModelInfo {
    const { engine, vision, folders, dtype, padding, language, missingFiles } = this.loaded;
    const { model, device } = engine;
    const { kind, name, isa, threads, ordinal } = device.info;
    const selection = selectionOf(vision);
    const { resize, crop } = vision.preprocessor;
    return {
      device: { kind, name, isa, threads, ...(ordinal !== undefined && { ordinal }) },
      dtype,
      padding,
      folders: structuredClone(folders),
      family: model.family,
      visionLanguage: vision.whole ?? null,
      missingFiles: [...missingFiles],
      image: { ...model.image },
      maxPatches: maxPatchesOf(vision.preprocessor, model.patch),
      positions: model.positions,
      trainedImage: { ...model.trainedImage },
      preprocessing: { resize: resize && { ...resize.rule }, crop: crop && { ...crop } },
      patch: model.patch,
      grid: { ...model.grid },
      hasClass: model.hasClass,
      registers: model.registers,
      M: mostTokens(vision),
      N: this.loaded.visualTokens ?? selection.allTokens,
      tiles: vision.preprocessor.tiles ?? 0,
      ...selection,
      C: model.width,
      H: model.heads,
      L: model.layers.length,
      layersComputed: model.stop,
      Dq: model.questionWidth ?? null,
      readsQuestions: this.questions.readsWords,
      E: vision.languageWidth ?? null,
      fusedLayers: [...model.fused],
      gates: [...model.gates],
      language: language ? { ...language.info } : null,
      memory: device.memory,
    };
  }

  /**
   * Visual tokens of a picture under a question.
   *
   * @param image path, file: URL, encoded bytes, raw RGB, or what look() returned
   * @param question words (needs what reads them: `language` or `questions`), features [K, Dq], or null: the plain tower. So is a question without tokens.
   * @returns data [N, E] with a projector, else or with output 'tower' [N, C]
   * @example
   * const { data, shape } = await model.encode('street.jpg', 'What is written on the blue sign?');
   */
  async encode(image: ImageInput | Looked, question: QuestionInput, options?: EncodeOptions): Promise<VisualTokens> {
    const { signal, output, visualTokens } = checkOptions(options, ENCODE_RULES, 'encode');
    return this.calls.run('encode', signal, async (abort) => {
      this.questions.check(question, 'question');
      const copies = new Snapshots();
      const count = this.tokensToTake(visualTokens, 'encode');
      const asked = { image: copies.image(image), question: copies.question(question), count };
      const [tokens] = await encodeAll(this.context, [asked], this.outputOf(output), abort);
      return tokens as VisualTokens;
    });
  }

  /**
   * encode() for many pairs. Results are in order. Work that pairs share (the same path or object as image; the same words or object
   * as question) is done once. With `padding: 'mask'` a pair's result does not depend on its neighbours, bit for bit on the CPU.
   *
   * @example
   * const tokens = await model.encodeBatch(questions.map((question) => ({ image: 'street.jpg', question })));
   */
  async encodeBatch(items: readonly BatchItem[], options?: EncodeOptions): Promise<VisualTokens[]> {
    const { signal, output, visualTokens } = checkOptions(options, ENCODE_RULES, 'encodeBatch');
    return this.calls.run('encodeBatch', signal, async (abort) => {
      if (!Array.isArray(items))
        throw expected('ERR_ARGUMENT', 'an array of { image, question }', 'encodeBatch', items);
      const count = this.tokensToTake(visualTokens, 'encodeBatch');
      const copies = new Snapshots();
      const asked = Array.from(items, (item: unknown, i) => this.checkItem(item, count, copies, `items[${i}]`));
      return encodeAll(this.context, asked, this.outputOf(output), abort);
    });
  }

  /**
   * Runs a picture through the layers that do not depend on the question, for several questions to go on from.
   *
   * @example
   * using seen = await model.look('street.jpg');
   * const answers = await Promise.all(questions.map((question) => model.encode(seen, question)));
   */
  async look(image: ImageInput, options?: CallOptions): Promise<Looked> {
    const { signal } = checkOptions(options, CALL_RULES, 'look');
    return this.calls.run('look', signal, async (abort) => this.lookAt(new Snapshots().image(image), abort));
  }

  /**
   * Where a question draws attention: for each fused layer how much each visual token attends to each question token, the gates, and
   * how far the question moves each visual token's feature away from the plain tower's.
   *
   * @throws QAViTError ERR_ARGUMENT also for a question without tokens, and for null
   * @example
   * const { layers, difference, grid } = await model.attend('street.jpg', 'What is written on the blue sign?');
   */
  async attend(image: ImageInput | Looked, question: QuestionInput, options?: CallOptions): Promise<AttentionMaps> {
    const { signal } = checkOptions(options, CALL_RULES, 'attend');
    return this.calls.run('attend', signal, async (abort) => {
      if (this.loaded.vision.model.questionWidth === undefined)
        throw expectedButFound('ERR_ARGUMENT', 'a model with an adapter', 'attend', 'one without');
      this.questions.check(question, 'question');
      const copies = new Snapshots();
      const [picture, asked] = [copies.image(image), copies.question(question)];
      const features = await this.questions.encode(asked, abort);
      const { engine } = this.loaded;
      const before = alreadyLooked(picture, engine);
      const looked = before ?? (await this.lookAt(picture as ImageInput, abort, 'whole'));
      try {
        return await attendTo(engine, looked, features, abort);
      } finally {
        if (!before) looked.dispose();
      }
    });
  }

  /**
   * The language model's answer, piece by piece; the generator returns how it ended. Leaving the loop early stops the work. Nothing is
   * read or computed before the first piece is asked for.
   *
   * @throws QAViTError ERR_ARGUMENT also without a language model
   * @example
   * for await (const text of model.ask('street.jpg', 'How many cars?', { maxNewTokens: 10 })) process.stdout.write(text);
   */
  async *ask(
    image: ImageInput | Looked,
    question: string,
    options?: AskOptions,
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const { signal, questionAware = true, visualTokens, ...decoding } = checkOptions(options, ASK_RULES, 'ask');
    const { vision } = this.loaded;
    const language = languageOf(this.loaded, 'ask');
    if (typeof question !== 'string') throw expected('ERR_ARGUMENT', 'a string', 'question of ask', question);
    const { context, loaded } = this;
    const count = this.tokensToTake(visualTokens, 'ask');
    const output = this.outputOf();
    const heard = questionAware && vision.model.questionWidth !== undefined ? question : null;
    this.questions.check(heard, 'question');
    const picture = new Snapshots().image(image);
    return yield* this.calls.stream('ask', signal, async function* (abort) {
      const [tokens] = await encodeAll(context, [{ image: picture, question: heard, count }], output, abort);
      throwIfAborted(abort, 'ask');
      const how = { ...decoding, question: readingOf(loaded), signal: abort };
      return yield* language.generate(tokens as VisualTokens, question, how);
    });
  }

  /**
   * Frees everything. Running calls end with their result or with ERR_ABORTED, later ones with ERR_ARGUMENT. Idempotent.
   */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async closeAll(): Promise<void> {
    forgotten.unregister(this.calls);
    await Promise.all([this.calls.close(), closeModel(this.loaded)]);
  }

  private async lookAt(image: ImageInput, signal: AbortSignal, views?: 'all' | 'whole'): Promise<LookedPicture> {
    const { engine, vision, limits } = this.loaded;
    if (image instanceof LookedPicture) throw expected('ERR_ARGUMENT', 'a picture', 'image of look', image);
    const picture = await preparePicture(image, vision.preprocessor, engine.model.image, signal, limits);
    const [looked] = await lookAt(engine, [picture], signal, views);
    return looked as LookedPicture;
  }

  private checkItem(item: unknown, otherwise: Asked['count'], copies: Snapshots, where: string): Asked {
    if (!isPlainObject(item)) throw expected('ERR_ARGUMENT', '{ image, question }', where, item);
    const { image, question, visualTokens } = checkOptions(item as unknown as BatchItem, ITEM_RULES, where);
    this.questions.check(question, `question of ${where}`);
    const count = visualTokens === undefined ? otherwise : this.tokensToTake(visualTokens, where);
    return { image: copies.image(image), question: copies.question(question), count };
  }

  private tokensToTake(visualTokens: EncodeOptions['visualTokens'], where: string): Asked['count'] {
    const count = visualTokens ?? this.loaded.visualTokens ?? 'all';
    if (count !== 'all') expectSelectable(selectionOf(this.loaded.vision), count, where);
    return count;
  }

  private outputOf(asked?: EncodeOptions['output']): Output {
    const { model } = this.loaded.vision;
    if (asked === 'projected' && !model.projector)
      throw expected('ERR_ARGUMENT', "'tower' (the model has no projector)", 'option output', asked);
    return asked ?? (model.projector ? 'projected' : 'tower');
  }
}
