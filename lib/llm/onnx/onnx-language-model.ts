import path from 'node:path';

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

/** A language model as ONNX files. Arguments are checked here, everything else happens in the worker process. */
export class OnnxLanguageModel implements LanguageModel {
  private constructor(
    readonly info: LanguageModelInfo,
    private readonly worker: WorkerProcess,
  ) {}

  static async load(dir: string, options: LoadLanguageModelOptions): Promise<OnnxLanguageModel> {
    const folder = path.resolve(dir);
    const worker = new WorkerProcess(folder);
    try {
      const info = await resultOf(worker, { kind: 'load', dir: folder, threads: options.threads });
      return new OnnxLanguageModel(info as LanguageModelInfo, worker);
    } catch (error) {
      await worker.close();
      throw error;
    }
  }

  async encodeQuestion(
    question: string,
    how: QuestionEncoding,
    options: { signal?: AbortSignal } = {},
  ): Promise<QuestionFeatures> {
    checkEncodeOptions(options);
    const text = checkEncoding(question, how);
    const task: Task = { kind: 'encode', question: text, features: how.features };
    return (await resultOf(this.worker, task, options.signal)) as QuestionFeatures;
  }

  async *generate(
    tokens: VisualTokens,
    question: string,
    options: GenerateOptions = {},
  ): AsyncGenerator<string, AnswerEnd | void, void> {
    const settings = checkGenerate(question, options);
    checkTokens(tokens, this.info.width);
    const task: Task = { kind: 'generate', tokens: tokens.data, settings };
    return (yield* this.worker.run(task, options.signal)) as AnswerEnd;
  }

  close(): Promise<void> {
    return this.worker.close();
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
