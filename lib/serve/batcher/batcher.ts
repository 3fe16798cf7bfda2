import { Calls } from '../../calls/calls';
import { abortSignal, checkOptions, isPlainObject, matching } from '../../calls/options';
import { expected, expectedButFound } from '../../errors';
import { ASK_RULES, ENCODE_RULES } from '../../qavit/call-rules';
import { expectQuestion } from '../../qavit/questions';
import { Snapshots } from '../../qavit/snapshots';
import { expectSelectable, type Selection } from '../../qavit/token-selection';
import type { QuestionInput, VisualTokens } from '../../qavit/types';
import { Admission } from './admission';
import { answerOf } from './answering';
import { type Admitted, Dispatcher, type Done } from './dispatcher';
import type { BatchModel } from './model';
import { checkBatcherOptions, type ResolvedOptions } from './options';
import type { BatchImage } from './sources';
import type {
  AnswerTold,
  AttendReply,
  BatchAskOptions,
  BatchEncodeOptions,
  BatcherOptions,
  BatcherState,
  EncodeReply,
  RequestOptions,
  Told,
} from './types';

const CLIENT = matching(/^[^]{0,256}$/, 'a string of at most 256 characters');
const REQUEST_RULES = { signal: abortSignal, client: CLIENT };
const BATCH_ENCODE_RULES = { ...ENCODE_RULES, ...REQUEST_RULES };
const BATCH_ASK_RULES = { ...ASK_RULES, ...REQUEST_RULES };

/**
 * Puts requests that come one by one into batches, for one model or several equal ones on several devices.
 *
 * Requests wait in turns of their clients; equal ones are computed once; pictures and questions that come again are known from a cache. A
 * request whose signal fires gives up its place at once: what has not begun never runs, and what runs is stopped when nobody else wants it.
 * The models stay their owner's, to be closed after the Batcher.
 *
 * @example
 * await using batcher = new Batcher(model);
 * const { tokens } = await batcher.encode(bytes, 'What is written on the blue sign?', { client: 'a', signal });
 */
export class Batcher implements AsyncDisposable {
  private readonly options: ResolvedOptions;
  private readonly dispatcher: Dispatcher;
  private readonly admission: Admission;
  private readonly calls = new Calls();
  /** Of the first model; the others are its equals. */
  private readonly info: Pick<BatchModel['info'], 'language' | 'Dq' | keyof Selection>;

  /** @throws QAViTError ERR_ARGUMENT (options, no model) */
  constructor(models: BatchModel | readonly BatchModel[], options?: BatcherOptions) {
    this.options = checkBatcherOptions(options);
    const all = Array.isArray(models) ? (models as readonly BatchModel[]) : [models as BatchModel];
    if (all.length === 0) throw expected('ERR_ARGUMENT', 'at least one model', 'Batcher', models);
    for (const model of all)
      if (!isModel(model)) throw expected('ERR_ARGUMENT', 'a QAViT', 'a model of Batcher', model);
    this.info = all[0]!.info;
    this.dispatcher = new Dispatcher(all, this.options);
    const makeRoom = this.dispatcher.makeRoom.bind(this.dispatcher);
    this.admission = new Admission(this.options.maxPending, makeRoom);
  }

  /** What is under way and what is cached, for metrics. */
  get state(): BatcherState {
    const { dispatcher } = this;
    const answersWaiting = dispatcher.sum(({ answers }) => answers.queued);
    return {
      pending: this.admission.requests,
      queued: dispatcher.sum(({ queued }) => queued) + answersWaiting,
      answersWaiting,
      answersRunning: dispatcher.sum(({ answers }) => answers.taken),
      imageCacheBytes: dispatcher.sum(({ pictures }) => pictures.bytes),
      questionCacheBytes: dispatcher.sum(({ preparation }) => preparation.questions.bytes),
    };
  }

  /** Whole seconds after which a request that was refused with ERR_BUSY may try again. */
  get retryAfterSeconds(): number {
    return this.admission.retryAfterSeconds;
  }

  /**
   * Visual tokens, as QAViT.encode gives them.
   *
   * @throws QAViTError what QAViT.encode throws; ERR_BUSY beyond `maxPending`
   */
  async encode(image: BatchImage, question: QuestionInput, options?: BatchEncodeOptions): Promise<EncodeReply> {
    const where = 'Batcher.encode';
    const { signal, client = '', output, visualTokens } = checkOptions(options, BATCH_ENCODE_RULES, where);
    this.expectSelectable(visualTokens, where);
    const asked = { kind: 'encode', question: ownQuestion(question, where), output, visualTokens } as const;
    return this.calls.run(where, signal, (abort) =>
      this.admitted(client, abort, async (request) => {
        const done = await this.dispatcher.compute(asked, image, request);
        return { tokens: tokensOf(done), ...this.told(done, request) };
      }),
    );
  }

  /** Where a question draws attention, as QAViT.attend gives it. */
  async attend(image: BatchImage, question: QuestionInput, options?: RequestOptions): Promise<AttendReply> {
    const { signal, client = '' } = checkOptions(options, REQUEST_RULES, 'Batcher.attend');
    const asked = { kind: 'attend', question: ownQuestion(question, 'Batcher.attend') } as const;
    return this.calls.run('Batcher.attend', signal, (abort) =>
      this.admitted(client, abort, async (request) => {
        const done = await this.dispatcher.compute(asked, image, request);
        return { maps: done.outcome.maps!, ...this.told(done, request) };
      }),
    );
  }

  /**
   * The answer, piece by piece, as QAViT.ask gives it; what the generator returns says how it went. Leaving the loop early stops the work.
   * The answer is written whether or not its reader keeps up.
   */
  async *ask(image: BatchImage, question: string, options?: BatchAskOptions): AsyncGenerator<string, AnswerTold, void> {
    const { signal, ...asked } = checkOptions(options, BATCH_ASK_RULES, 'Batcher.ask');
    if (typeof question !== 'string') throw expected('ERR_ARGUMENT', 'a string', 'question of Batcher.ask', question);
    if (!this.info.language)
      throw expectedButFound('ERR_ARGUMENT', 'a model with a language model', 'Batcher.ask', 'one without');
    this.expectSelectable(asked.visualTokens, 'Batcher.ask');
    const { client = '' } = asked;
    return yield* this.calls.stream(
      'Batcher.ask',
      signal,
      async function* (this: Batcher, abort: AbortSignal) {
        const request = this.enter(client, abort);
        try {
          return yield* this.answer(image, question, asked, request);
        } finally {
          request.leave();
        }
      }.bind(this),
    );
  }

  /** Refuses new requests, aborts those under way, waits for them and frees what is cached. Idempotent; closes no model. */
  async close(): Promise<void> {
    await this.calls.close();
    for (const replica of this.dispatcher.replicas) replica.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async *answer(
    image: BatchImage,
    question: string,
    { questionAware = true, visualTokens, ...decoding }: Omit<BatchAskOptions, 'signal'>,
    request: Admitted,
  ): AsyncGenerator<string, AnswerTold, void> {
    const { clock, observer } = this.options;
    const { client, signal, since } = request;
    const heard = questionAware && this.info.Dq !== null ? question : null;
    const asked = { kind: 'encode', question: heard, visualTokens } as const;
    const done = await this.dispatcher.compute(asked, image, request);
    const told = this.told(done, request);
    const how = { ...decoding, client, signal };
    const { end, firstToken } = yield* answerOf(done.replica, tokensOf(done), question, how, { clock, observer });
    const timings = { ...told.timings, ...(firstToken !== undefined && { firstToken }), total: clock.now() - since };
    return { ...told, ...end, timings };
  }

  private expectSelectable(visualTokens: BatchEncodeOptions['visualTokens'], where: string): void {
    if (typeof visualTokens === 'number') expectSelectable(this.info, visualTokens, where);
  }

  private async admitted<T>(client: string, signal: AbortSignal, work: (request: Admitted) => Promise<T>): Promise<T> {
    const request = this.enter(client, signal);
    try {
      return await work(request);
    } finally {
      request.leave();
    }
  }

  private enter(client: string, signal: AbortSignal): Admitted {
    const { clock } = this.options;
    const since = clock.now();
    const leaving = this.admission.enter(client);
    const leave = (): void => leaving(clock.now() - since);
    // An answer's reader that has gone may never ask for the piece that would end the generator.
    signal.addEventListener('abort', leave, { once: true });
    return { client, signal, since, leave };
  }

  private told({ outcome, queued }: Done, { since }: Admitted): Told {
    const timings = { queued, ...outcome.timings, total: this.options.clock.now() - since };
    return { timings, cached: outcome.cached };
  }
}

function isModel(model: Partial<BatchModel> | null | undefined): boolean {
  return isPlainObject(model) && typeof model.encodeBatch === 'function' && isPlainObject(model.stages);
}

/** A question that its owner can change no more. */
function ownQuestion(question: QuestionInput, where: string): QuestionInput {
  expectQuestion(question, `question of ${where}`);
  return new Snapshots().question(question);
}

/** Each request owns what it gets. */
function tokensOf({ outcome, shared }: Done): VisualTokens {
  const tokens = outcome.tokens!;
  if (!shared) return tokens;
  const { data, kept, grid, tiles } = tokens;
  return {
    ...tokens,
    data: data.slice(),
    ...(kept && { kept: kept.slice() }),
    ...(grid && { grid: { ...grid } }),
    ...(tiles && { tiles: { ...tiles } }),
  };
}
