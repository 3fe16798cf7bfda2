import type { BatchItem, Looked, ModelInfo, Picture, QuestionFeatures, QuestionInput } from '../../../lib';
import type { BatchModel } from '../../../lib/serve';
import { square } from '../../support/square';

type Gate = { resolve(): void; reject(error: Error): void };

/** A looked-at picture that tells whether it was disposed of. */
export class FakeLooked implements Looked {
  disposed = false;

  constructor(
    readonly picture: Picture,
    private readonly size: number,
  ) {}

  get bytes(): number {
    return this.disposed ? 0 : this.size;
  }

  /** What tells pictures apart: their first byte. */
  get number(): number {
    return this.picture.data[0] ?? -1;
  }

  dispose(): void {
    if (this.disposed) throw new Error(`picture ${this.number} disposed of twice`);
    this.disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A model that computes only when a test lets it, and notes what it was asked. A picture is its first byte; words have as many tokens as
 * characters; the tokens of a pair are [picture, K].
 */
export class FakeModel implements BatchModel {
  readonly prepared: number[] = [];
  readonly looked: number[][] = [];
  readonly heard: string[] = [];
  /** Pairs of each batch as `picture:K`. */
  readonly batches: string[][] = [];
  readonly attended: string[] = [];
  readonly answered: string[] = [];
  readonly pictures: FakeLooked[] = [];
  /** What encodeBatch throws, if it does. */
  failWith: ((items: readonly BatchItem[]) => Error | undefined) | undefined;
  /** Whether looking at pictures waits for release() too. */
  heldLooking = false;
  /** Signals of the batches that were begun. */
  readonly signals: (AbortSignal | undefined)[] = [];
  private readonly gates: Gate[] = [];

  /** @param held whether batches wait for release() */
  constructor(
    public held = true,
    private readonly bytesOfLooked = 100,
  ) {}

  readonly info = {
    device: { kind: 'cpu', name: 'fake', isa: '', threads: 1 },
    dtype: 'f32',
    image: square(8),
    maxPatches: null,
    patch: 4,
    grid: { rows: 2, columns: 2 },
    N: 4,
    tiles: 0,
    allTokens: 4,
    selectsTokens: false,
    L: 4,
    fusedLayers: [2, 3],
    gates: [0.5, 0.25],
    Dq: 1,
    readsQuestions: true,
    language: {},
    memory: { weightBytes: 1, tensorBytes: 2, arenaBytes: 3 },
  } as unknown as ModelInfo;

  readonly stages: BatchModel['stages'] = {
    prepare: (image) => {
      const data = image as Uint8Array;
      this.prepared.push(data[0]!);
      return Promise.resolve({ data, width: 1, height: 1 });
    },
    look: async (pictures, options) => {
      this.looked.push(pictures.map(({ data }) => data[0]!));
      if (this.heldLooking) await this.gate(options?.signal);
      const all = pictures.map((picture) => new FakeLooked(picture, this.bytesOfLooked));
      this.pictures.push(...all);
      return all;
    },
    listen: (question) => {
      this.heard.push(question);
      return Promise.resolve({ data: new Float32Array(question.length), shape: [question.length, 1] });
    },
    answer: (tokens, question) => this.answer(`${tokens.data[0]}:${question}`),
  };

  /** Batches under way, and looks that are held. */
  get waiting(): number {
    return this.gates.length;
  }

  async encodeBatch(items: readonly BatchItem[], options?: { signal?: AbortSignal }) {
    const pairs = items.map(({ image, question }) => ({ picture: image as FakeLooked, tokens: tokensOf(question) }));
    this.batches.push(pairs.map(({ picture, tokens }) => `${picture.number}:${tokens}`));
    this.signals.push(options?.signal);
    const failure = this.failWith?.(items);
    if (this.held) await this.gate(options?.signal);
    if (failure) throw failure;
    for (const { picture } of pairs) if (picture.disposed) throw new Error('a picture that was disposed of is used');
    return pairs.map(({ picture, tokens }) => ({
      data: Float32Array.of(picture.number, tokens),
      shape: [1, 2] as [number, number],
      key: `${picture.number} ${tokens}`,
      kept: Uint32Array.of(tokens),
    }));
  }

  async attend(image: unknown, question: QuestionInput) {
    this.attended.push(`${(image as FakeLooked).number}:${tokensOf(question)}`);
    if (this.held) await this.gate(undefined);
    return { layers: [], difference: new Float32Array(), grid: { rows: 2, columns: 2 } } as never;
  }

  /** Lets the oldest batch that is under way finish. */
  release(): void {
    this.gates.shift()?.resolve();
  }

  private gate(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const gate = { resolve, reject };
      this.gates.push(gate);
      signal?.addEventListener('abort', () => {
        const at = this.gates.indexOf(gate);
        if (at >= 0) this.gates.splice(at, 1);
        reject(new Error('aborted'));
      });
    });
  }

  private async *answer(text: string) {
    this.answered.push(text);
    for (const piece of text) {
      await Promise.resolve();
      yield piece;
    }
    return { finish: 'stop' as const, promptTokens: 1, answerTokens: text.length };
  }
}

function tokensOf(question: QuestionInput): number {
  return (question as QuestionFeatures | null)?.shape[0] ?? 0;
}

/** The picture of this number. */
export function picture(number: number): Buffer {
  return Buffer.of(number);
}
