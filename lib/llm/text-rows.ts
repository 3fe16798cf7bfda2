import path from 'node:path';
import { expected, expectedButFound } from '../errors';
import { TextTokenizer } from '../text/tokenizer';
import { TensorFolder } from '../weights';
import type { StoredTensor } from '../weights/stored-tensor';
import { checkEncodeOptions, checkEncoding, type QuestionText } from './checks';
import { JsonFields } from '../json-fields';
import type { QuestionEncoding, QuestionFeatures, QuestionReader, VisualTokens } from './language-model';
import { languageFields, type ModelConfig, readModelConfig } from './model-config';
import { promptRows } from './onnx/prompt-rows';
import { buildPrompt } from './prompt';

/** What families call their embedding table, whatever prefix a file puts in front. */
export const TABLE = /(^|\.)(embed_tokens|wte|embed_in|word_embeddings|tok_embeddings|shared)\.weight$/;

/**
 * Tokenizer and embedding table of a language model that is computed elsewhere: what turns words into rows here. Of an unchanged
 * Hugging Face folder; the table stays in its file, and each token's row is read when it occurs.
 */
export class TextRows implements QuestionReader {
  private constructor(
    readonly info: { readonly path: string; readonly questionWidth: number },
    private readonly config: ModelConfig,
    private readonly tokenizer: TextTokenizer,
    private readonly folder: TensorFolder,
    private readonly table: StoredTensor,
    /** Of its rows. */
    private readonly scale: number,
  ) {}

  /**
   * @param options plain: rows must be those of the table, as for servers that multiply them
   * @throws QAViTError ERR_FORMAT where a file is missing or damaged, ERR_SHAPE where the table has another width than config.json says,
   *   ERR_UNSUPPORTED for models that change their table's rows before they use them
   */
  static async open(dir: string, options: { plain?: boolean } = {}): Promise<TextRows> {
    const resolved = path.resolve(dir);
    const file = await JsonFields.read(path.join(resolved, 'config.json'));
    const config = readModelConfig(file);
    const isGemma = scalesRows(languageFields(file), options.plain ?? false);
    const tokenizer = await TextTokenizer.load(path.join(resolved, 'tokenizer.json'));
    const folder = await TensorFolder.open(resolved, TABLE);
    try {
      const table = findTable(folder, config);
      const width = table.shape[1] as number;
      const info = { path: resolved, questionWidth: width };
      const scale = isGemma ? Math.fround(Math.sqrt(width)) : 1;
      return new TextRows(info, config, tokenizer, folder, table, scale);
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  /** E */
  get width(): number {
    return this.info.questionWidth;
  }

  get vocabularySize(): number {
    return this.config.vocabularySize;
  }

  /** @throws QAViTError ERR_UNSUPPORTED for features that an encoder makes: there is only the table */
  async encodeQuestion(
    question: string,
    how: QuestionEncoding,
    options: { signal?: AbortSignal } = {},
  ): Promise<QuestionFeatures> {
    checkEncodeOptions(options);
    const { text, maxTokens } = checkEncoding(question, how);
    if (how.features !== 'embedding') {
      throw expected('ERR_UNSUPPORTED', "'embedding'", `question features of ${this.info.path}`, how.features);
    }
    const ids = await this.tokenizer.encode(text, maxTokens);
    if (ids.length === 0) throw expected('ERR_ARGUMENT', 'text that has tokens', 'the question', text);
    return { data: this.rows(ids), shape: [ids.length, this.width] };
  }

  /** The prompt as the model's own runtimes read it: its template's words, and the visual tokens in their place. */
  async promptRows({ data }: VisualTokens, question: QuestionText): Promise<VisualTokens> {
    const { width } = this;
    const { texts } = await buildPrompt(this.tokenizer, this.config, question);
    const rows = texts.map((ids) => ({ data: this.rows(ids), count: ids.length }));
    const whole = promptRows(rows, { data, count: data.length / width }, width);
    return { data: whole.data, shape: [whole.count, width] };
  }

  close(): Promise<void> {
    this.folder.close();
    return Promise.resolve();
  }

  private rows(ids: readonly number[]): Float32Array {
    const { table, width, scale } = this;
    const rows = new Float32Array(ids.length * width);
    const [vocabulary = 0] = table.shape;
    const places = new Map<number, number>();
    for (const [i, id] of ids.entries()) {
      const place = places.get(id);
      if (place !== undefined) {
        rows.copyWithin(i * width, place * width, (place + 1) * width);
        continue;
      }
      places.set(id, i);
      if (id >= vocabulary) {
        const where = path.join(this.info.path, 'tokenizer.json');
        throw expectedButFound('ERR_FORMAT', `token ids below ${vocabulary}`, where, `${id}`);
      }
      const row = table.sliceRows(id, id + 1).read();
      rows.set(scale === 1 ? row : row.map((value) => value * scale), i * width);
    }
    return rows;
  }
}

function findTable(folder: TensorFolder, { width }: ModelConfig): StoredTensor {
  // Further ones, of an encoder, a decoder or layers that guess ahead, are copies of the one with the shortest name.
  const [table] = [...folder.all].filter(({ name }) => TABLE.test(name)).sort((a, b) => a.name.length - b.name.length);
  if (!table) throw expectedButFound('ERR_FORMAT', 'an embedding table (embed_tokens.weight)', folder.path, 'none');
  const shape = `[${table.shape.join(', ')}]`;
  if (table.shape.length !== 2 || table.shape[1] !== (width ?? table.shape[1])) {
    throw expectedButFound('ERR_SHAPE', `[vocabulary, ${width ?? 'E'}]`, table.where, shape);
  }
  void table.dtype; // refused here, not at the first question
  return table;
}

/** What multiplies its embedding table's rows by the root of their width. */
const GEMMAS = /^gemma(2|3|3_text)?$/;

/**
 * Gemma's embedding layer does so itself. Other models multiply rows in a place of their own and are refused: what an adapter was
 * trained with is not said.
 */
function scalesRows(fields: JsonFields, plain: boolean): boolean {
  const type = fields.text('model_type') ?? '';
  const isGemma = GEMMAS.test(type);
  if (/^(gemma|recurrent_gemma|t5gemma)/.test(type) && (plain || !isGemma)) {
    const what = 'a model that uses the rows of its embedding table as they are';
    throw expected('ERR_UNSUPPORTED', what, fields.where('model_type'), type);
  }
  const scale = ['embedding_multiplier', 'scale_emb'].find((key) => (fields.value(key) ?? 1) !== 1);
  if (scale !== undefined) throw expected('ERR_UNSUPPORTED', '1', fields.where(scale), fields.value(scale));
  return isGemma;
}
