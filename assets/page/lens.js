import { element, find } from './dom.js';

/** @typedef {'picture' | 'plain' | 'change' | 'attention' | 'between'} View */

/** @type {Readonly<Record<View, { caption: string, meaning: string }>>} */
export const VIEWS = {
  picture: { caption: 'The picture itself.', meaning: '' },
  plain: {
    caption: 'Without any question: how far each patch stands out from the picture’s mean patch (1 − cosine).',
    meaning: 'distance from the mean patch',
  },
  change: {
    caption: 'How far the question moves each patch’s feature away from the plain ViT’s, relative to its length.',
    meaning: 'feature changed by',
  },
  attention: {
    caption: 'Share of each patch’s attention that goes to the question, mean over heads.',
    meaning: 'of its attention',
  },
  between: {
    caption: 'How differently the two questions make the encoder see each patch.',
    meaning: 'features differ by',
  },
};

/** On a phone the numbers of more layers would run into each other. */
const MANY_LAYERS = 9;

/** What to see over the picture, and in which layer. Fires `change`. */
export class Lens extends EventTarget {
  #views = find(document, '#views', HTMLFieldSetElement);
  #caption = find(document, '#view-caption', HTMLElement);
  #layers = find(document, '#layers', HTMLElement);
  #gates = find(document, '#gates', HTMLElement);
  #ticks = find(document, '#ticks', HTMLElement);
  #slider = find(document, '#layer', HTMLInputElement);
  #output = find(document, '#layer-output', HTMLOutputElement);
  /** @type {{ layer: number, gate: number }[]} */
  #fused = [];
  /**
   * Shown whenever there is something for it; until the person chooses, the first heat map shows itself.
   *
   * @type {View}
   */
  #wanted = 'attention';

  constructor() {
    super();
    this.#views.addEventListener('change', () => {
      this.#wanted = this.view;
      this.#changed();
    });
    this.#slider.addEventListener('input', () => {
      // The layers differ in their attention alone, so that is what moving the slider asks for.
      this.#wanted = 'attention';
      const radio = this.#radio('attention');
      radio.checked ||= !radio.disabled;
      this.#changed();
    });
  }

  /** @returns {View} */
  get view() {
    const checked = this.#views.querySelector('input:checked');
    return checked instanceof HTMLInputElement ? /** @type {View} */ (checked.value) : 'picture';
  }

  /** The fused layer to look into; undefined for the mean of all. */
  get layer() {
    return this.#fused[this.#slider.valueAsNumber - 1]?.layer;
  }

  /** @param {import('./api.js').ModelFacts} facts */
  configure({ fusedLayers, gates }) {
    this.#fused = fusedLayers.map((layer, i) => ({ layer, gate: gates[i] ?? 0 }));
    this.#slider.max = String(this.#fused.length);
    this.#slider.value = '0';
    this.#layers.hidden = this.#fused.length === 0;
    this.#layers.classList.toggle('many', this.#fused.length > MANY_LAYERS);
    this.#layers.style.setProperty('--columns', String(this.#fused.length + 1));
    this.#gates.replaceChildren(element('span', 'gate'), ...this.#fused.map(({ gate }) => gateBar(gate)));
    const names = ['all', ...fusedLayers.map(String)];
    this.#ticks.replaceChildren(...names.map((name) => element('span', '', name)));
    this.#changed();
  }

  /**
   * Views for which there is nothing yet cannot be chosen; the picture stands in for them.
   *
   * @param {Record<View, boolean>} available
   */
  offer(available) {
    for (const [view, is] of /** @type {[View, boolean][]} */ (Object.entries(available))) {
      this.#radio(view).disabled = !is;
    }
    const view = available[this.#wanted] ? this.#wanted : 'picture';
    if (view === this.view) return;
    this.#radio(view).checked = true;
    this.#changed();
  }

  /** @param {View} view */
  #radio(view) {
    return find(this.#views, `input[value=${view}]`, HTMLInputElement);
  }

  #changed() {
    this.#caption.textContent = VIEWS[this.view].caption;
    const at = this.#slider.valueAsNumber;
    const chosen = this.#fused[at - 1];
    const words = chosen ? `Layer ${chosen.layer}, gate ${signed(chosen.gate)}` : 'Mean of the fused layers';
    this.#output.textContent = words;
    this.#slider.setAttribute('aria-valuetext', words);
    this.#layers.classList.toggle('in-use', this.view === 'attention');
    for (const { children } of [this.#gates, this.#ticks]) {
      [...children].forEach((child, i) => child.classList.toggle('chosen', i === at));
    }
    this.dispatchEvent(new Event('change'));
  }
}

/** @param {number} gate */
const signed = (gate) => `${gate < 0 ? '−' : '+'}${Math.abs(gate).toFixed(2)}`;

/**
 * tanh(beta) as a bar up or down from zero.
 *
 * @param {number} gate
 */
function gateBar(gate) {
  const bar = element('span', `gate-bar ${gate < 0 ? 'down' : 'up'}`);
  bar.style.height = `${Math.min(Math.abs(gate), 1) * 50}%`;
  return element('span', 'gate', bar);
}
