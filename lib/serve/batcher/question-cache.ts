import { LRUCache } from 'lru-cache';
import type { QuestionFeatures } from '../../qavit/types';
import { SharedWork } from './shared-work';

/** Bytes of a JavaScript string's character. */
const CHARACTER_BYTES = 2;

/** Features of questions by their words, those used least recently making room. A question that several ask at once is heard once. */
export class QuestionCache {
  private readonly known: LRUCache<string, QuestionFeatures>;
  private readonly listening = new SharedWork<QuestionFeatures>();

  constructor(
    maxBytes: number,
    private readonly listen: (question: string, signal: AbortSignal) => Promise<QuestionFeatures>,
  ) {
    this.known = new LRUCache<string, QuestionFeatures>({
      maxSize: Math.max(1, maxBytes),
      maxEntrySize: Math.max(1, maxBytes),
      sizeCalculation: ({ data }, words) => data.byteLength + CHARACTER_BYTES * words.length + 1,
    });
  }

  get bytes(): number {
    return this.known.calculatedSize;
  }

  has(question: string): boolean {
    return this.known.has(question);
  }

  async get(question: string, signal: AbortSignal): Promise<QuestionFeatures> {
    const known = this.known.get(question);
    if (known) return known;
    return this.listening.join(question, signal, async (stop) => {
      const features = await this.listen(question, stop);
      this.known.set(question, features);
      return features;
    });
  }

  clear(): void {
    this.known.clear();
  }
}
