import { find } from './dom.js';

/** Few matter most, so their numbers lie closer together. */
const STEPS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768];

/**
 * How many visual tokens the language model is given, where the model chooses them. Fires `input` while the slider moves, and `change` when it
 * is let go with another number than before.
 */
export class TokenBudget extends EventTarget {
  #box = find(document, '#tokens', HTMLElement);
  #slider = find(document, '#token-count', HTMLInputElement);
  #output = find(document, '#token-output', HTMLOutputElement);
  /** What the slider's positions stand for; the last is all. */
  #counts = [1];
  /** Pictures in shapes of their own have fewer or more. */
  #of = '';

  constructor() {
    super();
    this.#slider.addEventListener('input', () => {
      this.#show();
      this.dispatchEvent(new Event('input'));
    });
    this.#slider.addEventListener('change', () => this.dispatchEvent(new Event('change')));
  }

  /** Undefined for all that there are. */
  get count() {
    const at = this.#slider.valueAsNumber;
    return at < this.#counts.length - 1 ? this.#counts[at] : undefined;
  }

  /** @param {import('./api.js').ModelFacts} facts */
  configure({ maxPatches, selectsTokens, allTokens, visualTokens }) {
    const steps = [...STEPS.filter((step) => step < allTokens), visualTokens, allTokens];
    this.#counts = [...new Set(steps)].sort((a, b) => a - b);
    this.#slider.max = String(this.#counts.length - 1);
    this.#slider.value = String(this.#counts.indexOf(visualTokens));
    this.#box.hidden = !selectsTokens;
    this.#of = maxPatches === null ? '' : 'up to ';
    this.#show();
  }

  #show() {
    const all = this.#counts.at(-1) ?? 1;
    const words =
      this.count === undefined ? `all${this.#of ? ',' : ''} ${this.#of}${all}` : `${this.count} of ${this.#of}${all}`;
    this.#output.textContent = words;
    this.#slider.setAttribute('aria-valuetext', words);
  }
}
