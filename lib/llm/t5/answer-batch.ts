import type { DeviceTensor } from '../../binding/native';
import { disposeAll, type PromptRead, type T5Engine } from './t5-engine';

/** Answers in one batch. Their prompts take up to 24 MB each (flan-T5 base), and with so many half of a step goes through those. */
export const MOST_TOGETHER = 16;

interface Member {
  readonly prompt: PromptRead;
  /** Tokens that its cache holds. */
  said: number;
}

/**
 * Answers that are written together, one step for all: their prompts and caches lie in slots of common tensors, which double when they
 * are full and halve when three quarters are empty. One answer alone costs no copy.
 *
 * Calls of add() and step() must not overlap.
 */
export class AnswerBatch {
  private slots: (Member | undefined)[] = [];
  /** For each layer of the decoder keys and values of the prompts, [S, M, 2I], and of what was said, [S, N, 2I]. */
  private cross: readonly DeviceTensor[] = [];
  private caches: readonly DeviceTensor[] = [];
  private isAdding = false;

  /** @param rows M, of all prompts */
  constructor(
    private readonly engine: T5Engine,
    readonly rows: number,
  ) {}

  get size(): number {
    return this.slots.filter(Boolean).length;
  }

  get isFull(): boolean {
    return this.size === MOST_TOGETHER;
  }

  /** Takes over the prompt's tensors. */
  async add(prompt: PromptRead, signal: AbortSignal): Promise<void> {
    this.isAdding = true;
    try {
      await this.place(prompt, signal);
    } finally {
      this.isAdding = false;
      this.letGoIfEmpty();
    }
  }

  private async place(prompt: PromptRead, signal: AbortSignal): Promise<void> {
    const member = { prompt, said: 0 };
    if (this.slots.length === 0) {
      this.caches = await this.engine.emptyCaches();
      this.cross = prompt.cross;
      this.slots = [member];
      return;
    }
    if (!this.slots.includes(undefined)) await this.regroup(2 * this.slots.length, signal);
    const slot = this.slots.indexOf(undefined);
    await this.engine.admit(this.cross, slot, prompt, signal);
    disposeAll(prompt.cross);
    this.slots[slot] = member;
  }

  remove(prompt: PromptRead): void {
    this.slots = this.slots.map((member) => (member?.prompt === prompt ? undefined : member));
    this.letGoIfEmpty();
  }

  /** Not while somebody comes for whom the tensors are being made ready. */
  private letGoIfEmpty(): void {
    if (this.size > 0 || this.isAdding) return;
    disposeAll([...this.cross, ...this.caches]);
    [this.slots, this.cross, this.caches] = [[], [], []];
  }

  /**
   * @param tokens said last by members that go on
   * @returns logits [V] of what follows each
   */
  async step(tokens: ReadonlyMap<PromptRead, number>, signal: AbortSignal): Promise<Map<PromptRead, Float32Array>> {
    // Saves time only; a device that has failed says so in the step.
    if (4 * this.size <= this.slots.length) await this.regroup(this.slots.length / 2, signal).catch(() => undefined);
    const rows = this.caches[0]?.shape[1] ?? 0;
    if (this.slots.some((member) => member?.said === rows)) await this.grow(signal);
    const slots = [...this.slots];
    // What empty slots and those that do not go on compute is not looked at; the latter's row is written again when they do.
    const logits = await this.engine.step(
      {
        tokens: slots.map((member) => (member && tokens.get(member.prompt)) ?? 0),
        positions: slots.map((member) => member?.said ?? 0),
        promptRows: slots.map((member) => member?.prompt.length ?? 1),
      },
      { cross: this.cross, caches: this.caches },
      signal,
    );
    const size = logits.length / slots.length;
    const found = new Map<PromptRead, Float32Array>();
    slots.forEach((member, slot) => {
      if (!member || !tokens.has(member.prompt)) return;
      member.said += 1;
      found.set(member.prompt, logits.subarray(slot * size, (slot + 1) * size));
    });
    return found;
  }

  private async grow(signal: AbortSignal): Promise<void> {
    const full = this.caches;
    this.caches = await this.engine.grow(full, signal);
    disposeAll(full);
  }

  private async regroup(count: number, signal: AbortSignal): Promise<void> {
    const old = [...this.cross, ...this.caches];
    const kept = [...this.slots.keys()].filter((slot) => this.slots[slot] !== undefined);
    const index = Array.from({ length: count }, (_, slot) => kept[slot] ?? 0);
    const cross = await this.engine.regroup(this.cross, index, signal);
    const caches = await this.engine.regroup(this.caches, index, signal).catch((error: unknown) => {
      disposeAll(cross);
      throw error;
    });
    const members = kept.map((slot) => this.slots[slot]);
    this.slots = Array.from({ length: count }, (_, slot) => members[slot]);
    [this.cross, this.caches] = [cross, caches];
    disposeAll(old);
  }
}
