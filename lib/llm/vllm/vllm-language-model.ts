import { throwIfAborted } from '../../calls/abort';
import { Calls } from '../../calls/calls';
import { expected, expectedButFound } from '../../errors';
import { checkEncodeOptions, checkEncoding, checkGenerate, checkTokens, type QuestionText } from '../checks';
import type {
  AnswerEnd,
  GenerateOptions,
  LanguageModel,
  LanguageModelInfo,
  QuestionEncoding,
  QuestionFeatures,
  VisualTokens,
} from '../language-model';
import { expectNoFraming, expectNoTiles } from '../prompt';
import { TextRows } from '../text-rows';
import { answerText } from './answer';
import { VllmClient } from './client';
import { chatRequest, completionRequest, type Drawing, type ServerRequest } from './requests';
import { isServer, readServer, type ServerSettings, type VllmServer } from './server';

/** Of ours at once: vLLM batches what it gets, 256 requests of all its clients' where it is not told otherwise. */
const ANSWERS_TOGETHER = 64;

export interface OpenVllmOptions {
  /** E: how wide the model's rows are. Needed unless the server's `text` folder says it: rows of another width may crash vLLM. */
  width?: number;
  /** Whether the model is told the grid of a picture's patches where the server's settings do not say; false unless told. */
  grid?: boolean;
}

/**
 * A language model that a vLLM server computes. Nothing is sent before the first answer is asked for.
 *
 * Words reach the model as they are, or as the adapter normalises them. How many tokens that makes only the server knows: a limit on the
 * question's tokens applies where they are counted here, which is with input `completions`.
 */
export class VllmLanguageModel implements LanguageModel {
  private readonly calls = new Calls();
  private readonly client: VllmClient;

  private constructor(
    readonly info: LanguageModelInfo,
    private readonly server: ServerSettings,
    private readonly text: TextRows | undefined,
  ) {
    this.client = new VllmClient(server);
  }

  /** @throws QAViTError ERR_ARGUMENT; ERR_FORMAT, ERR_SHAPE or ERR_UNSUPPORTED for the folder `text` */
  static async open(server: string | VllmServer, options: OpenVllmOptions = {}): Promise<VllmLanguageModel> {
    if (!isServer(server)) throw expected('ERR_ARGUMENT', 'an address or { url, model }', 'a server', server);
    const told = readServer(server);
    const settings = { ...told, grid: told.grid ?? options.grid };
    const text = settings.text === undefined ? undefined : await TextRows.open(settings.text, { plain: true });
    try {
      const width = widthOf(settings, options.width, text?.width);
      const { name: path } = settings;
      const vocabularySize = text?.vocabularySize ?? null;
      const questionWidth = text?.width ?? null;
      return new VllmLanguageModel(
        { path, kind: 'decoder-only', width, questionWidth, vocabularySize, answersTogether: ANSWERS_TOGETHER },
        settings,
        text,
      );
    } catch (error) {
      await text?.close();
      throw error;
    }
  }

  async encodeQuestion(
    question: string,
    how: QuestionEncoding,
    options: { signal?: AbortSignal } = {},
  ): Promise<QuestionFeatures> {
    const { text, server } = this;
    checkEncodeOptions(options);
    if (text) return this.calls.run('encodeQuestion', options.signal, () => text.encodeQuestion(question, how));
    checkEncoding(question, how);
    const what = "a folder that reads questions (the server's `text`, or `questions` beside it)";
    throw expectedButFound('ERR_UNSUPPORTED', what, server.name, 'a server, which gives answers and no features,');
  }

  async *generate(
    tokens: VisualTokens,
    question: string,
    options: GenerateOptions = {},
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const { question: text, framing, maxNewTokens, sampling, stop } = checkGenerate(question, options);
    checkTokens(tokens, this.info.width);
    expectNoFraming(framing, this.info.path);
    expectNoTiles(tokens, this.info.path);
    if (this.server.grid) expectGrid(tokens, this.info.path);
    const { data, ...rest } = tokens;
    const grid = tokens.grid && { ...tokens.grid };
    const own = { ...rest, grid, data: data.slice() }; // the caller's to change from now on
    const drawing = { maxNewTokens, ...sampling, seed: options.seed, stop };
    return yield* this.calls.stream('generate', options.signal, (signal) => this.answer(own, text, drawing, signal));
  }

  async close(): Promise<void> {
    await this.calls.close();
    await this.text?.close();
  }

  private async *answer(
    tokens: VisualTokens,
    text: QuestionText,
    drawing: Drawing,
    signal: AbortSignal,
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const { endpoint, body } = await this.request(tokens, text, drawing);
    throwIfAborted(signal, 'generate');
    const events = this.client.stream(endpoint, body, signal);
    const pieces = answerText(events, drawing.maxNewTokens, this.client.failures());
    try {
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return value;
        yield value;
        throwIfAborted(signal, 'generate');
      }
    } finally {
      // Whoever leaves early ends the request.
      await pieces.return();
    }
  }

  private async request(tokens: VisualTokens, text: QuestionText, drawing: Drawing): Promise<ServerRequest> {
    if (this.server.input !== 'completions' || !this.text) return chatRequest(this.server, tokens, text.text, drawing);
    return completionRequest(this.server, await this.text.promptRows(tokens, text), drawing);
  }
}

function expectGrid({ grid }: VisualTokens, model: string): void {
  if (grid) return;
  throw expectedButFound('ERR_ARGUMENT', "the grid of the picture's patches", `the visual tokens for ${model}`, 'none');
}

function widthOf(server: ServerSettings, told: number | undefined, found: number | undefined): number {
  const width = told ?? found;
  const isWidth = Number.isSafeInteger(width) && (width as number) > 0;
  if (width === undefined || !isWidth) {
    throw expected('ERR_ARGUMENT', 'E, the width of its rows,', `option width of ${server.name}`, width);
  }
  if (width === (found ?? width)) return width;
  throw expected('ERR_SHAPE', `rows of ${width} numbers`, server.text ?? server.name, found);
}
