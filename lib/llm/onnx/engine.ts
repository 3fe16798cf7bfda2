import { stat } from 'node:fs/promises';
import path from 'node:path';

import { expected, expectedButFound } from '../../errors';
import type { Grid } from '../../grid';
import { TextTokenizer } from '../../text/tokenizer';
import { type AnswerSettings, sayAnswer } from '../answer';
import type { GenerateSettings, QuestionText } from '../checks';
import { JsonFields } from '../../json-fields';
import type { AnswerEnd, LanguageModelInfo, QuestionEncoding, QuestionFeatures, VisualTokens } from '../language-model';
import { readModelConfig, type ModelConfig } from '../model-config';
import { openPrompt, type PromptWriter } from '../open-prompt';
import { type Prompt, shareOf } from '../prompt';
import { TokenRules } from '../token-rules';
import type { AnswerModel, Rows } from './answer-model';
import { DecoderOnly } from './decoder-only';
import { Embedding } from './embedding';
import { EncoderDecoder } from './encoder-decoder';
import { OnnxFolder, type OnnxDType } from './onnx-folder';
import { OnnxRuntime } from './onnx-runtime';
import { promptRows } from './prompt-rows';
import { squaresOf } from './row-places';

/** A language model's folder at work, in the worker process: tokenizer, graphs and the loop that says token after token. */
export class Engine {
  private constructor(
    readonly info: LanguageModelInfo,
    private readonly config: ModelConfig,
    private readonly rules: TokenRules,
    private readonly tokenizer: TextTokenizer,
    private readonly prompts: PromptWriter,
    private readonly embedding: Embedding,
    private readonly model: AnswerModel,
  ) {}

  static async load(dir: string, threads: number | undefined, dtype: OnnxDType | 'auto' | undefined): Promise<Engine> {
    await requireFolder(dir);
    const file = await JsonFields.read(path.join(dir, 'config.json'));
    const config = readModelConfig(file);
    const rules = await TokenRules.read(dir, file);
    const tokenizer = await TextTokenizer.load(path.join(dir, 'tokenizer.json'));
    const prompts = await openPrompt(dir, config, tokenizer);
    const runtime = await OnnxRuntime.start(threads);
    const files = await OnnxFolder.open(dir, dtype);
    const embedding = await Embedding.open(runtime, files, config);
    const model = await openModel(runtime, files, config, rules, embedding, file);
    const { width } = embedding;
    const { kind, vocabularySize, family } = config;
    const info = { path: dir, kind, width, questionWidth: width, vocabularySize };
    const whole = family && { visionLanguage: family.name };
    return new Engine({ ...info, ...whole }, config, rules, tokenizer, prompts, embedding, model);
  }

  async encodeQuestion(
    { text, maxTokens }: QuestionText,
    features: QuestionEncoding['features'],
  ): Promise<QuestionFeatures> {
    if (features === 'encoder' && !this.model.encode) {
      throw expected('ERR_UNSUPPORTED', "'embedding'", 'question features of a decoder-only model', features);
    }
    const ids = await this.tokenizer.encode(text, maxTokens);
    if (ids.length === 0) throw expected('ERR_ARGUMENT', 'text that has tokens', 'the question', text);
    const rows = await this.embedding.rows(ids);
    const { data, count } = features === 'encoder' && this.model.encode ? await this.model.encode(rows) : rows;
    return { data, shape: [count, data.length / count] };
  }

  /** One piece of text for each token, often empty: between two of them the caller may stop. */
  async *generate(
    { data: tokens, tiles, grid }: Pick<VisualTokens, 'data' | 'tiles' | 'grid'>,
    { question, framing, maxNewTokens, sampling, stop }: GenerateSettings,
  ): AsyncGenerator<string, AnswerEnd, void> {
    const prompt = await this.prompts.write(question, framing, tiles);
    const rows = await this.rows(prompt, tokens, grid);
    const next = await this.model.read(rows);
    yield '';
    const { rules, tokenizer } = this;
    const length = Math.min(maxNewTokens, this.model.positions - rows.count);
    const heard = this.heard(prompt, rows.count);
    return yield* sayAnswer(next, { rules, tokenizer, sampling, length, stop, heard }, rows.count);
  }

  /** Of `count` rows before the answer, transformers counts as said what it is given as ids, not as embeddings. */
  private heard({ texts }: Prompt, count: number): AnswerSettings['heard'] {
    const { kind, family, imageToken } = this.config;
    if (kind === 'encoder-decoder') {
      const tokens = this.rules.start === undefined ? [] : [this.rules.start];
      return { tokens, read: tokens.length };
    }
    if (!family) return { tokens: [], read: count };
    const visual = count - texts.reduce((sum, ids) => sum + ids.length, 0);
    const images = new Array<number>(shareOf(texts.length - 1, visual)).fill(imageToken ?? 0);
    return { tokens: texts.flatMap((ids, i) => (i === 0 ? ids : [...images, ...ids])), read: count };
  }

  private async rows({ texts }: Prompt, tokens: Float32Array, patches: Grid | undefined): Promise<Rows> {
    const { width } = this.embedding;
    const { squareSide: side } = this.config;
    const tokenCount = tokens.length / width;
    const grid = side === undefined ? undefined : squaresOf(patches, side, tokenCount, this.info.path);
    const visual = { data: tokens, count: tokenCount, grid };
    const count = texts.reduce((sum, ids) => sum + ids.length, visual.count);
    if (count >= this.model.positions) {
      const what = `fewer than ${this.model.positions} visual tokens and tokens of the question`;
      throw expectedButFound('ERR_ARGUMENT', what, this.info.path, `${count}`);
    }
    const rows: Rows[] = [];
    for (const ids of texts) rows.push(await this.embedding.rows(ids));
    return promptRows(rows, visual, width);
  }
}

async function openModel(
  runtime: OnnxRuntime,
  files: OnnxFolder,
  config: ModelConfig,
  rules: TokenRules,
  embedding: Embedding,
  file: JsonFields,
): Promise<AnswerModel> {
  const { vocabularySize } = config;
  if (config.kind === 'decoder-only') return DecoderOnly.open(runtime, files, embedding, config);
  if (rules.start === undefined) {
    throw expected('ERR_FORMAT', 'a token id', file.where('decoder_start_token_id'), rules.start);
  }
  return EncoderDecoder.open(runtime, files, { width: embedding.width, vocabularySize }, rules.start);
}

async function requireFolder(dir: string): Promise<void> {
  const folder = await stat(dir).catch(() => undefined);
  if (!folder?.isDirectory()) {
    throw expectedButFound(
      'ERR_ARGUMENT',
      'a folder',
      'the language model',
      `${folder ? 'the file' : 'nothing at'} ${dir}`,
    );
  }
}
