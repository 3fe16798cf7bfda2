import type { Rule } from '../calls/options';

/** What the option `stop` must be. */
export const stopRule: Rule = {
  what: 'an array of strings that are not empty',
  accepts: (value) => Array.isArray(value) && value.every((one) => typeof one === 'string' && one !== ''),
};

/** Passes text on until one of some sequences appears in it; that and what follows is left out. */
export class StopSequences {
  /** The end of the text so far, as long as a sequence may begin in it. */
  private held = '';
  private isOver = false;

  constructor(private readonly sequences: readonly string[]) {}

  /** Whether a sequence has appeared. */
  get over(): boolean {
    return this.isOver;
  }

  /** @returns the text that is certain to stay */
  push(piece: string): string {
    if (this.isOver) return '';
    const text = this.held + piece;
    const found = this.sequences.map((sequence) => text.indexOf(sequence)).filter((at) => at >= 0);
    if (found.length > 0) {
      this.isOver = true;
      this.held = '';
      return text.slice(0, Math.min(...found));
    }
    const keep = Math.max(0, ...this.sequences.map((sequence) => overlap(text, sequence)));
    this.held = text.slice(text.length - keep);
    return text.slice(0, text.length - keep);
  }

  /** What was held back, once no more text comes. */
  finish(): string {
    const rest = this.isOver ? '' : this.held;
    this.held = '';
    return rest;
  }
}

/** How many characters at the end of `text` begin `sequence`. */
function overlap(text: string, sequence: string): number {
  for (let length = Math.min(text.length, sequence.length - 1); length > 0; length -= 1) {
    if (text.endsWith(sequence.slice(0, length))) return length;
  }
  return 0;
}
