import type { DeviceTensor } from '../binding/native';
import type { QuestionFeatures } from '../llm/language-model';
import type { QuestionSize } from '../models/plans';
import type { Engine } from './engine';
import { longestOf, plannedLength } from './questions';

/** Device memory that one block of heard questions may take, and how many blocks are kept. */
const BLOCK_BYTES = 32 * 2 ** 20;
const KEPT_BLOCKS = 4;

export interface HeardBlock {
  /** Keys and values [Q, K, Lf*2C]. */
  readonly tensor: DeviceTensor;
  /** Rows of each question that act as keys. */
  readonly lengths: readonly number[];
}

/**
 * The questions of one call, listened to in blocks when a sample first needs one. A block is heard once, unless a call has so many
 * questions that its blocks do not fit in memory together.
 */
export class QuestionBlocks {
  private readonly heard = new Map<number, HeardBlock>();
  private readonly longest: number;
  /** Questions a block. */
  readonly size: number;

  /**
   * @param questions features of each; none is empty
   * @param padding `attend`: all are padded to the longest with rows of zeros, which act as keys
   */
  constructor(
    private readonly engine: Engine,
    private readonly questions: readonly QuestionFeatures[],
    private readonly padding: 'mask' | 'attend',
  ) {
    this.longest = longestOf(questions);
    this.size = Math.max(1, Math.floor(BLOCK_BYTES / engine.questionBytes(this.planned(this.longest))));
  }

  async get(block: number, signal: AbortSignal): Promise<HeardBlock> {
    const known = this.heard.get(block);
    if (known) return known;
    const [oldest] = this.heard;
    if (oldest && this.heard.size >= KEPT_BLOCKS) {
      oldest[1].tensor.dispose();
      this.heard.delete(oldest[0]);
    }
    const { features, size, lengths } = this.features(block);
    const made = { tensor: await this.engine.listen(features, size, signal), lengths };
    this.heard.set(block, made);
    return made;
  }

  /** Features of a block, padded to their plan's length, and the rows of each question that act as keys. */
  features(block: number): { features: Float32Array; size: QuestionSize; lengths: readonly number[] } {
    const questions = this.questions.slice(block * this.size, (block + 1) * this.size);
    const attend = this.padding === 'attend';
    const lengths = questions.map(({ shape }) => (attend ? this.longest : shape[0]));
    const tokens = this.planned(Math.max(...lengths));
    const width = questions[0]?.shape[1] ?? 0;
    const features = new Float32Array(questions.length * tokens * width);
    questions.forEach(({ data }, i) => features.set(data, i * tokens * width));
    return { features, size: { questions: questions.length, tokens, width }, lengths };
  }

  dispose(): void {
    for (const { tensor } of this.heard.values()) tensor.dispose();
    this.heard.clear();
  }

  private planned(tokens: number): number {
    return plannedLength(tokens, this.engine.device.info.kind);
  }
}
