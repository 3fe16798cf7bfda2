import type { ImageLimits } from '../../image';
import type { Picture, QuestionFeatures, QuestionInput } from '../../qavit/types';
import { plannedLength } from '../../qavit/questions';
import type { Clock } from './clock';
import { FairSlots } from './fair-slots';
import { failingAt } from './inputs';
import type { BatchModel } from './model';
import type { PictureCache } from './picture-cache';
import { QuestionCache } from './question-cache';
import { SharedWork } from './shared-work';
import type { Source } from './sources';
import type { BatcherObserver } from './types';
import type { Prepared, Task, Work } from './work';

/** Pictures decoded at a time: as many as Node's thread pool works on; each may take its full size in memory. */
const DECODING = 4;

export interface PreparationOptions {
  readonly questionCacheBytes: number;
  readonly limits: ImageLimits;
  readonly observer: BatcherObserver;
  readonly clock: Clock;
}

/** What has to be known before a pair can be put into a batch: the question's features, and the picture's pixels unless they are cached. */
export class Preparation {
  readonly questions: QuestionCache;
  private readonly decoding = new SharedWork<Picture>();
  private readonly decoders = new FairSlots(DECODING);
  private readonly device: BatchModel['info']['device']['kind'];

  constructor(
    private readonly model: BatchModel,
    private readonly pictures: PictureCache,
    private readonly options: PreparationOptions,
  ) {
    // Asking a model for what it is asks the device for what it holds.
    this.device = model.info.device.kind;
    this.questions = new QuestionCache(options.questionCacheBytes, (words, signal) =>
      this.timed('listen', () => model.stages.listen(words, { signal })),
    );
  }

  /** @throws QAViTError of the picture or the question; then nothing is held */
  async prepare({ task, clients, controller: { signal } }: Work): Promise<Prepared> {
    const { clock, observer } = this.options;
    const [client = ''] = clients;
    const { source, question } = task;
    const begun = clock.now();
    const elapsed = (): number => clock.now() - begun;
    const lease = this.pictures.lease(source.key);
    const knowsQuestion = typeof question === 'string' && this.questions.has(question);
    observer.cache?.('image', lease !== undefined);
    if (typeof question === 'string') observer.cache?.('question', knowsQuestion);
    let [decode, listen]: (number | undefined)[] = [];
    try {
      const [picture, features] = await Promise.all([
        lease
          ? undefined
          : this.decode(source, client, signal)
              .catch(failingAt('image'))
              .finally(() => (decode = elapsed())),
        this.features(question, signal)
          .catch(failingAt('question'))
          .finally(() => (listen = elapsed())),
      ]);
      const timings = {
        ...(!lease && { decode }),
        ...(typeof question === 'string' && !knowsQuestion && { listen }),
      };
      const cached = { image: lease !== undefined, question: knowsQuestion };
      return { features, lease, picture, bucket: this.bucket(task, features), timings, cached, since: clock.now() };
    } catch (error) {
      lease?.release();
      throw error;
    }
  }

  /** What is computed together: the same plan, and questions that are padded to the same length. Maps are made one at a time. */
  private bucket({ key, kind, output }: Task, features: QuestionFeatures | null): string {
    if (kind === 'attend') return key;
    const tokens = features?.shape[0] ?? 0;
    const length = tokens === 0 ? 0 : plannedLength(tokens, this.device);
    return `encode ${output ?? ''} ${length}`;
  }

  private async features(question: QuestionInput, signal: AbortSignal): Promise<QuestionFeatures | null> {
    return typeof question === 'string' ? this.questions.get(question, signal) : question;
  }

  private decode({ key, image }: Source, client: string, signal: AbortSignal): Promise<Picture> {
    return this.decoding.join(key, signal, async (stop) => {
      const release = await this.decoders.acquire(client, stop);
      try {
        const { limits } = this.options;
        return await this.timed('decode', () => this.model.stages.prepare(image, { signal: stop, limits }));
      } finally {
        release();
      }
    });
  }

  private async timed<T>(stage: 'decode' | 'listen', work: () => Promise<T>): Promise<T> {
    const { clock, observer } = this.options;
    const start = clock.now();
    const result = await work();
    observer.stage?.(stage, clock.now() - start);
    return result;
  }
}
