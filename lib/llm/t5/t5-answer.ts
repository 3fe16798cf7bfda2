import { throwIfAborted } from '../../calls/abort';
import { AnswerBatch } from './answer-batch';
import { disposeAll, type PromptRead, type T5Engine } from './t5-engine';

/** How long a step waits for answers that were in the one before and have not asked for their next token yet. Milliseconds. */
const PATIENCE = 1;

const NEVER = new AbortController().signal;

interface Asked {
  readonly token: number;
  readonly signal: AbortSignal;
  readonly resolve: (logits: Float32Array) => void;
  readonly reject: (error: unknown) => void;
}

/** One answer under way; owns its prompt. */
export class T5Answer {
  constructor(
    private readonly answers: T5Answers,
    readonly prompt: PromptRead,
  ) {}

  /** @returns logits [V] of what follows `token`, for the caller to change */
  next(token: number, signal: AbortSignal): Promise<Float32Array> {
    return this.answers.next(this, token, signal);
  }

  /** After its last next() has settled. */
  dispose(): void {
    this.answers.leave(this);
  }
}

/**
 * The answers of a model, written together: while one step is computed others ask for theirs, and go into the next. A step reads all of
 * the decoder's weights, which takes most of its time, for one token or for sixteen.
 */
export class T5Answers {
  private readonly batches: AnswerBatch[] = [];
  private readonly placed = new Map<T5Answer, AnswerBatch>();
  private readonly waiting = new Map<T5Answer, Asked>();
  /** Those that got a token and are expected to ask for the next at once. */
  private readonly expected = new Set<T5Answer>();
  private running = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly engine: T5Engine) {}

  next(answer: T5Answer, token: number, signal: AbortSignal): Promise<Float32Array> {
    return new Promise((resolve, reject) => {
      this.expected.delete(answer);
      this.waiting.set(answer, { token, signal, resolve, reject });
      this.runIfDue();
    });
  }

  leave(answer: T5Answer): void {
    const batch = this.placed.get(answer);
    this.placed.delete(answer);
    if (batch) batch.remove(answer.prompt);
    else disposeAll(answer.prompt.cross);
    this.expected.delete(answer);
    this.runIfDue();
  }

  private runIfDue(): void {
    if (this.running || this.waiting.size === 0) return;
    if (this.expected.size === 0) return void this.run();
    this.timer ??= setTimeout(() => {
      this.expected.clear();
      this.timer = undefined;
      this.runIfDue();
    }, PATIENCE);
  }

  /** Never rejects. */
  private async run(): Promise<void> {
    this.running = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    const asked = new Map(this.waiting);
    this.waiting.clear();
    for (const [answer, { signal, reject }] of asked) {
      try {
        throwIfAborted(signal, 'generate');
        await this.place(answer, signal);
      } catch (error) {
        asked.delete(answer);
        reject(error);
      }
    }
    for (const batch of new Set([...asked.keys()].map((answer) => this.placed.get(answer)))) {
      const members = [...asked].filter(([answer]) => this.placed.get(answer) === batch);
      if (batch) await this.step(batch, members);
    }
    this.running = false;
    this.runIfDue();
  }

  private async place(answer: T5Answer, signal: AbortSignal): Promise<void> {
    if (this.placed.has(answer)) return;
    const rows = answer.prompt.cross[0]?.shape[1] ?? 0;
    let batch = this.batches.find((each) => each.rows === rows && !each.isFull);
    if (!batch) this.batches.push((batch = new AnswerBatch(this.engine, rows)));
    await batch.add(answer.prompt, signal);
    this.placed.set(answer, batch);
  }

  private async step(batch: AnswerBatch, members: readonly [T5Answer, Asked][]): Promise<void> {
    const [only, ...others] = members;
    // Nobody's end is to hold up the rest: what several share is computed to its own.
    const signal = others.length === 0 && only ? only[1].signal : NEVER;
    try {
      const logits = await batch.step(new Map(members.map(([{ prompt }, { token }]) => [prompt, token])), signal);
      for (const [answer, { resolve }] of members) {
        this.expected.add(answer);
        resolve(logits.get(answer.prompt) as Float32Array);
      }
    } catch (error) {
      for (const [, { reject }] of members) reject(error);
    }
  }
}
