import path from 'node:path';

import { throwIfAborted, untilAborted } from '../../calls/abort';
import type { Grid } from '../../grid';
import { checkEncodeOptions, checkEncoding, checkGenerate, checkTokens } from '../checks';
import type {
  AnswerEnd,
  GenerateOptions,
  LanguageModel,
  LanguageModelInfo,
  LoadLanguageModelOptions,
  QuestionEncoding,
  QuestionFeatures,
  VisualTokens,
} from '../language-model';
import type { Result, Task } from './protocol';
import { WorkerProcess } from './worker-process';

/**
 * A language model as ONNX files. Arguments are checked here, everything else happens in the worker process. When that dies (a crash, the
 * kernel's out-of-memory killer), the calls under way fail with ERR_DEVICE, and the next one starts another.
 */
export class OnnxLanguageModel implements LanguageModel {
  private starting: Promise<WorkerProcess> | undefined;
  private readonly closing = new AbortController();

  private constructor(
    readonly info: LanguageModelInfo,
    private readonly options: Omit<LoadLanguageModelOptions, 'signal'>,
    private worker: WorkerProcess,
  ) {}

  static async load(dir: string, { signal, ...options }: LoadLanguageModelOptions): Promise<OnnxLanguageModel> {
    const { worker, info } = await start(path.resolve(dir), options, signal);
    return new OnnxLanguageModel(info, options, worker);
  }

  async encodeQuestion(
    question: string,
    how: QuestionEncoding,
    options: { signal?: AbortSignal } = {},
  ): Promise<QuestionFeatures> {
    checkEncodeOptions(options);
    const text = checkEncoding(question, how);
    const task: Task = { kind: 'encode', question: text, features: how.features };
    // Nothing is awaited where nothing has to be: a call that was made before close() is one that close() aborts.
    const worker = this.worker.hasDied ? await this.another(options.signal) : this.worker;
    return (await resultOf(worker, task, options.signal)) as QuestionFeatures;
  }

  async *generate(
    tokens: VisualTokens,
    question: string,
    options: GenerateOptions = {},
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const settings = checkGenerate(question, options);
    checkTokens(tokens, this.info.width);
    const { hasDied } = this.worker;
    // The caller's to change while another starts; else they are sent at once.
    const data = hasDied ? tokens.data.slice() : tokens.data;
    const [tiles, grid] = [copied(tokens.tiles), copied(tokens.grid)];
    const task: Task = { kind: 'generate', tokens: { data, tiles, grid }, settings };
    const worker = hasDied ? await this.another(options.signal) : this.worker;
    return (yield* worker.run(task, options.signal)) as AnswerEnd;
  }

  async close(): Promise<void> {
    this.closing.abort(new Error('close()'));
    const starting = this.starting?.then(
      (worker) => worker.close(),
      () => undefined,
    );
    await Promise.all([this.worker.close(), starting]);
  }

  /** Another worker in the place of one that has died, one for all who wait. Loading may take minutes: who gives up does not wait for it. */
  private async another(signal?: AbortSignal): Promise<WorkerProcess> {
    const { path: dir } = this.info;
    if (this.closing.signal.aborted) return this.worker;
    throwIfAborted(signal, dir);
    this.starting ??= start(dir, this.options, this.closing.signal)
      .then(({ worker }) => (this.worker = worker))
      .finally(() => (this.starting = undefined));
    return signal ? untilAborted(this.starting, signal, dir) : this.starting;
  }
}

function copied(grid: Grid | undefined): Grid | undefined {
  return grid && { rows: grid.rows, columns: grid.columns };
}

async function start(dir: string, { threads, onnxDType: dtype }: LoadLanguageModelOptions, signal?: AbortSignal) {
  const worker = new WorkerProcess(dir);
  try {
    const info = (await resultOf(worker, { kind: 'load', dir, threads, dtype }, signal)) as LanguageModelInfo;
    return { worker, info };
  } catch (error) {
    await worker.close();
    throw error;
  }
}

/** The result of a task without pieces. */
async function resultOf(worker: WorkerProcess, task: Task, signal?: AbortSignal): Promise<Result> {
  const steps = worker.run(task, signal);
  for (;;) {
    const { done, value } = await steps.next();
    if (done) return value;
  }
}
