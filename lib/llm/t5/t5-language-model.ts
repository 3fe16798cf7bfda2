import path from 'node:path';
import type { Device } from '../../binding/native';
import { openDevice } from '../../binding/open-device';
import { throwIfAborted } from '../../calls/abort';
import { Calls } from '../../calls/calls';
import { expected, expectedButFound } from '../../errors';
import { TextTokenizer } from '../../text/tokenizer';
import { TensorFolder } from '../../weights';
import { sayAnswer } from '../answer';
import { checkEncodeOptions, checkEncoding, checkGenerate, checkTokens, type QuestionText } from '../checks';
import { JsonFields } from '../../json-fields';
import type {
  AnswerEnd,
  GenerateOptions,
  LanguageModel,
  LoadLanguageModelOptions,
  LocalModelInfo,
  QuestionEncoding,
  QuestionFeatures,
  VisualTokens,
} from '../language-model';
import { languageFields, type ModelConfig, readModelConfig } from '../model-config';
import { buildPrompt, expectNoFraming, expectNoTiles } from '../prompt';
import { TokenRules } from '../token-rules';
import { readT5Config } from './config';
import { MOST_TOGETHER } from './answer-batch';
import { T5Answer, T5Answers } from './t5-answer';
import { type PromptTokens, T5Engine } from './t5-engine';
import { openT5 } from './t5-model';

/**
 * Of text in a prompt or a question. T5's positions have no end, but the attention's work grows as the square: this is eight times what T5
 * was trained on, and prompts behind wait for it.
 */
const MAX_TEXT_TOKENS = 4096;

/** A T5 from its published folder, computed by qavit on a device of its own: beside a tower on the same GPU, neither waits for the other's queue. */
export class T5LanguageModel implements LanguageModel {
  private readonly calls = new Calls();
  private readonly answers: T5Answers;
  private closing: Promise<void> | undefined;

  private constructor(
    readonly info: LocalModelInfo,
    private readonly config: ModelConfig,
    private readonly rules: TokenRules,
    /** What the decoder reads first. */
    private readonly start: number,
    private readonly tokenizer: TextTokenizer,
    private readonly engine: T5Engine,
  ) {
    this.answers = new T5Answers(engine);
  }

  static async load(dir: string, options: LoadLanguageModelOptions): Promise<T5LanguageModel> {
    const folder = path.resolve(dir);
    const file = await JsonFields.read(path.join(folder, 'config.json'));
    const fields = languageFields(file);
    const config = readModelConfig(file);
    const rules = await TokenRules.read(folder, file);
    // transformers' T5Config has pad_token_id 0 and starts decoders with it.
    const start = rules.start ?? fields.integer('pad_token_id') ?? 0;
    const t5 = readT5Config(fields);
    const tokenizer = await TextTokenizer.load(path.join(folder, 'tokenizer.json'));
    const { vocabularySize, width } = t5;
    if (start >= vocabularySize) {
      throw expected('ERR_FORMAT', `below ${vocabularySize}`, file.where('decoder_start_token_id'), start);
    }
    const weights = await TensorFolder.open(folder);
    try {
      const device = openDevice(options.device ?? 'cpu', options.threads);
      try {
        const engine = new T5Engine(device, openT5(t5, weights), chooseDType(device, options.dtype));
        await engine.prepare(options.signal);
        const info: LocalModelInfo = {
          path: folder,
          kind: 'encoder-decoder',
          width,
          questionWidth: width,
          vocabularySize,
          answersTogether: MOST_TOGETHER,
        };
        return new T5LanguageModel(info, config, rules, start, tokenizer, engine);
      } catch (error) {
        await device.close();
        throw error;
      }
    } finally {
      weights.close();
    }
  }

  async encodeQuestion(
    question: string,
    how: QuestionEncoding,
    options: { signal?: AbortSignal } = {},
  ): Promise<QuestionFeatures> {
    checkEncodeOptions(options);
    const { text, maxTokens } = checkEncoding(question, how);
    return this.calls.run('encodeQuestion', options.signal, async (signal) => {
      const ids = this.checkIds(await this.tokenizer.encode(text, maxTokens));
      expectFewTokens(ids.length);
      if (ids.length === 0) throw expected('ERR_ARGUMENT', 'text that has tokens', 'the question', text);
      const data = await this.engine.features(ids, how.features, signal);
      return { data, shape: [ids.length, this.info.questionWidth] };
    });
  }

  async *generate(
    tokens: VisualTokens,
    question: string,
    options: GenerateOptions = {},
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const { question: text, framing, maxNewTokens: length, sampling, stop } = checkGenerate(question, options);
    checkTokens(tokens, this.info.width);
    expectNoFraming(framing, this.info.path);
    expectNoTiles(tokens, this.info.path);
    const visual = tokens.data.slice(); // the caller's to change from now on
    const { rules, tokenizer } = this;
    return yield* this.calls.stream(
      'generate',
      options.signal,
      async function* (this: T5LanguageModel, signal: AbortSignal) {
        const prompt = await this.engine.read(await this.prompt(visual, text), signal);
        const answer = new T5Answer(this.answers, prompt);
        try {
          const next = (said = this.start) => answer.next(said, signal);
          const how = { rules, tokenizer, sampling, length, stop, heard: { tokens: [this.start], read: 1 } };
          const saying = sayAnswer(next, how, prompt.length);
          for (;;) {
            const { done, value } = await saying.next();
            if (done) return value;
            if (value) yield value;
            throwIfAborted(signal, 'generate');
          }
        } finally {
          answer.dispose();
        }
      }.bind(this),
    );
  }

  close(): Promise<void> {
    this.closing ??= Promise.all([this.calls.close(), this.engine.device.close()]).then(() => undefined);
    return this.closing;
  }

  private async prompt(visual: Float32Array, question: QuestionText): Promise<PromptTokens> {
    const { texts } = await buildPrompt(this.tokenizer, this.config, question);
    const [before, after] = texts;
    expectFewTokens(before.length + after.length);
    return { before: this.checkIds(before), visual, after: this.checkIds(after) };
  }

  private checkIds(ids: number[]): number[] {
    const { vocabularySize, path: folder } = this.info;
    const beyond = ids.find((id) => id >= vocabularySize);
    if (beyond === undefined) return ids;
    const what = `token ids below ${vocabularySize} (vocab_size of config.json)`;
    throw expectedButFound('ERR_FORMAT', what, path.join(folder, 'tokenizer.json'), `${beyond}`);
  }
}

function expectFewTokens(count: number): void {
  if (count <= MAX_TEXT_TOKENS) return;
  throw expectedButFound('ERR_ARGUMENT', `at most ${MAX_TEXT_TOKENS} tokens`, 'the question of a T5', `${count}`);
}

function chooseDType({ info }: Device, asked: LoadLanguageModelOptions['dtype'] = 'auto'): 'f32' | 'bf16' {
  if (asked !== 'auto') return asked;
  return info.dtypes[0] === 'bf16' ? 'bf16' : 'f32';
}
