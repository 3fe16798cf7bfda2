import type { Plan } from '../binding/native';

/**
 * Plans hold no working memory of their own, only their description: about 1 KB an operation, 50 to 100 KB in all for 12 layers. A T5 with
 * answers that come and go makes some 30 for each length of prompts.
 */
export const CAPACITY = 64;

/** Plans by shape key; those used least recently make room. */
export class PlanCache {
  private readonly plans = new Map<string, Promise<Plan>>();

  get(key: string, make: () => Promise<Plan>): Promise<Plan> {
    const found = this.plans.get(key);
    if (found) {
      // A Map keeps the order of insertion: what is used moves to its end.
      this.plans.delete(key);
      this.plans.set(key, found);
      return found;
    }
    const made = make();
    this.plans.set(key, made);
    made.catch(() => this.plans.get(key) === made && this.plans.delete(key));
    const [oldest] = this.plans.keys();
    if (this.plans.size > CAPACITY && oldest !== undefined) this.plans.delete(oldest);
    return made;
  }

  /** Those whose keys begin so. */
  forget(beginning: string): void {
    for (const key of this.plans.keys()) if (key.startsWith(beginning)) this.plans.delete(key);
  }
}
