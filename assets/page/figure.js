import { gradient } from './color-map.js';
import { announce, find, fromTemplate, inParagraphs, showProblem } from './dom.js';
import { drawHeatMap, drawPicture } from './heat-map.js';
import { VIEWS } from './lens.js';
import { outlinePath } from './outline.js';
import { showTimings } from './timings.js';

/**
 * @typedef {{ row: number, column: number }} Patch
 * @typedef {object} Shown a heat map and what its numbers mean
 * @property {import('./measures.js').PatchGrid} grid
 * @property {import('./measures.js').Range} range
 * @property {import('./geometry.js').Region} region
 * @property {string} caption what is seen, in a sentence
 * @property {string} meaning of a number
 * @property {(value: number) => string} format
 * @typedef {object} Kept what the language model is given
 * @property {number[]} patches
 * @property {number} others class token and registers
 * @property {number} all
 * @property {import('./measures.js').Grid} grid
 * @property {import('./geometry.js').Region} region
 */

/** Longer answers are sentences, and set like text. */
const SHORT_ANSWER = 40;
/** Longer ones, to compare with, stand below their name and not beside it. */
const SHORT_COMPARISON = 16;

/** @type {Readonly<Record<string, [down: number, right: number]>>} */
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/** The picture with the heat map of one question over it, its answer and what that took. */
export class Figure {
  element = fromTemplate('figure-template', HTMLElement);
  #asked = find(this.element, '.asked-text', HTMLElement);
  #answer = find(this.element, '.answer', HTMLElement);
  #answerName = find(this.element, '.answer-name', HTMLElement);
  #comparison = find(this.element, '.comparison', HTMLElement);
  #frame = find(this.element, '.frame', HTMLElement);
  #picture = find(this.element, '.picture', HTMLCanvasElement);
  #map = find(this.element, '.map', HTMLCanvasElement);
  #outline = find(this.element, '.outline', SVGElement);
  #kept = find(this.element, '.kept', HTMLElement);
  #patchBox = find(this.element, '.patch', HTMLElement);
  #legend = find(this.element, '.legend', HTMLElement);
  #mark = find(this.element, '.mark', HTMLElement);
  #readout = find(this.element, '.readout', HTMLElement);
  #timings = find(this.element, '.timings', HTMLElement);
  #problem = find(this.element, '.problem', HTMLElement);
  #lacks = find(this.element, '.lacks', HTMLElement);
  #letter;
  #point;
  #name = '';
  /** @type {Shown | undefined} */
  #shown;
  /** @type {Patch | null} */
  #patch = null;
  /** @type {import('./api.js').Extras | undefined} */
  #timed;

  /**
   * @param {string} letter
   * @param {(patch: Patch | null) => void} point a patch was pointed at, here: every figure shows it
   */
  constructor(letter, point) {
    this.#letter = letter;
    this.#point = point;
    find(this.element, '.badge', HTMLElement).textContent = letter;
    const asked = find(this.element, '.asked', HTMLElement);
    asked.id = `asked-${letter.toLowerCase()}`;
    this.element.setAttribute('aria-labelledby', asked.id);
    find(this.#legend, '.scale', HTMLElement).style.backgroundImage = gradient();
    this.#frame.addEventListener('pointermove', (event) => hovers(event) && this.#pointed(event));
    this.#frame.addEventListener('pointerleave', (event) => hovers(event) && point(null));
    // A tap, and no finger that scrolls; it comes after `blur` where the tap before was in another figure.
    this.#frame.addEventListener('click', (event) => this.#pointed(event));
    this.#frame.addEventListener('blur', () => point(null));
    this.#frame.addEventListener('keydown', (event) => this.#stepped(event));
  }

  /** @param {import('./pictures.js').Picture} picture */
  showPicture(picture) {
    drawPicture(this.#picture, picture);
    this.#frame.classList.remove('blank');
    this.#frame.style.setProperty('--ratio', String(picture.bitmap.width / picture.bitmap.height));
    this.showMap(undefined);
    this.showKept(undefined);
    this.#name = picture.name;
    this.#describe();
  }

  /** @param {Shown | undefined} shown */
  showMap(shown) {
    this.#shown = shown;
    if (shown) drawHeatMap(this.#map, this.#picture, shown);
    this.#frame.classList.toggle('mapped', shown !== undefined);
    this.#frame.tabIndex = shown ? 0 : -1;
    this.#describe();
    this.#showLegend();
    this.showPatch(this.#patch);
  }

  /** @param {Kept | undefined} kept undefined: everything */
  showKept(kept) {
    this.#outline.toggleAttribute('hidden', !kept);
    this.#kept.textContent = kept ? keptInWords(kept) : '';
    if (!kept) return;
    const { patches, grid, region } = kept;
    placeOver(this.#outline, region);
    this.#outline.setAttribute('viewBox', `0 0 ${grid.columns} ${grid.rows}`);
    const path = outlinePath(patches, grid);
    for (const line of this.#outline.children) line.setAttribute('d', path);
  }

  /**
   * @param {import('./question.js').Question} question
   * @param {string | undefined} truth the picture's own answer, where it is known
   */
  showQuestion({ phase, text, answer, isAnswered, plainAnswer, extras, browserMs, problem, lacks }, truth) {
    this.element.dataset.phase = phase;
    this.element.classList.toggle('writing', phase === 'asking' && !isAnswered);
    this.#asked.textContent = text || 'No question yet';
    this.#answer.classList.toggle('long', answer.length > SHORT_ANSWER);
    this.#answer.textContent = answer.trim() || (isAnswered ? '(no answer)' : '');
    this.#answerName.hidden = this.#answer.textContent === '';
    const rows = [
      ['Plain ViT, same language model', plainAnswer.trim()],
      ['True answer of this sample', truth],
    ];
    this.#comparison.classList.toggle('long', plainAnswer.length > SHORT_COMPARISON);
    this.#comparison.replaceChildren(
      ...rows.flatMap(([name, value]) => {
        if (!value || phase === 'idle') return [];
        const [term, description] = [document.createElement('dt'), document.createElement('dd')];
        term.textContent = name ?? '';
        description.textContent = value;
        return [term, description];
      }),
    );
    if (extras !== this.#timed) {
      if (extras) showTimings(this.#timings, extras, browserMs);
      else this.#timings.replaceChildren();
    }
    this.#timed = extras;
    showProblem(this.#problem, problem);
    this.#lacks.replaceChildren(...lacks.flatMap(inParagraphs));
  }

  /**
   * @param {Patch | null} patch
   * @param {boolean} [aloud]
   */
  showPatch(patch, aloud = false) {
    this.#patch = patch;
    const shown = this.#shown;
    this.#patchBox.hidden = this.#mark.hidden = !patch || !shown;
    this.#readout.textContent = '';
    if (!patch || !shown) return;
    const { region, grid, format, meaning } = shown;
    const [width, height] = [region.width / grid.columns, region.height / grid.rows];
    const left = region.left + patch.column * width;
    const top = region.top + patch.row * height;
    placeOver(this.#patchBox, { left, top, width, height });
    const value = grid.values[patch.row * grid.columns + patch.column] ?? 0;
    const { low, high } = shown.range;
    this.#mark.style.left = `${high > low ? (100 * (value - low)) / (high - low) : 0}%`;
    const words = `Row ${patch.row + 1}, column ${patch.column + 1}: ${inWords(format(value), meaning)}`;
    this.#readout.textContent = words;
    if (aloud) announce(words);
  }

  /** What the colours mean; keeps its place where there are none, so that nothing jumps. */
  #showLegend() {
    const shown = this.#shown;
    this.#legend.classList.toggle('empty', !shown);
    const words = shown ? [shown.format(shown.range.low), shown.meaning, shown.format(shown.range.high)] : [];
    ['.low', '.meaning', '.high'].forEach((place, i) => {
      find(this.#legend, place, HTMLElement).textContent = words[i] ?? '';
    });
  }

  #describe() {
    const what = this.#shown ? `${this.#shown.caption} Arrow keys move from patch to patch.` : VIEWS.picture.caption;
    this.#frame.setAttribute('aria-label', `Question ${this.#letter}, picture “${this.#name}”: ${what}`);
    this.#frame.ariaRoleDescription = this.#shown ? 'heat map' : null;
  }

  /** @param {MouseEvent} event */
  #pointed(event) {
    const shown = this.#shown;
    if (!shown) return;
    const box = this.#frame.getBoundingClientRect();
    const { region, grid } = shown;
    const across = ((event.clientX - box.left) / box.width - region.left) / region.width;
    const down = ((event.clientY - box.top) / box.height - region.top) / region.height;
    const inside = across >= 0 && across < 1 && down >= 0 && down < 1;
    this.#point(inside ? { row: Math.floor(down * grid.rows), column: Math.floor(across * grid.columns) } : null);
  }

  /** @param {KeyboardEvent} event */
  #stepped(event) {
    const shown = this.#shown;
    const step = STEPS[event.key];
    if (!shown || !step) return;
    event.preventDefault();
    const { rows, columns } = shown.grid;
    const from = this.#patch ?? { row: Math.floor(rows / 2), column: Math.floor(columns / 2) };
    const [down, right] = this.#patch ? step : [0, 0];
    /** @type {(value: number, count: number) => number} */
    const within = (value, count) => Math.min(Math.max(value, 0), count - 1);
    this.#point({ row: within(from.row + down, rows), column: within(from.column + right, columns) });
    this.showPatch(this.#patch, true);
  }
}

/**
 * A finger leaves with every tap; what it pointed at stays until the next.
 *
 * @param {PointerEvent} event
 */
const hovers = ({ pointerType }) => pointerType !== 'touch';

/**
 * `41 % of its attention`, but `feature changed by 41 %`.
 *
 * @param {string} value
 * @param {string} meaning
 */
function inWords(value, meaning) {
  return meaning.startsWith('of ') ? `${value} ${meaning}` : `${meaning} ${value}`;
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {import('./geometry.js').Region} region of the picture
 */
function placeOver({ style }, { left, top, width, height }) {
  style.left = `${100 * left}%`;
  style.top = `${100 * top}%`;
  style.width = `${100 * width}%`;
  style.height = `${100 * height}%`;
}

/** @param {Kept} kept */
function keptInWords({ patches, others, all }) {
  const outlined = `the ${patches.length === 1 ? 'outlined patch' : `${patches.length} outlined patches`}`;
  const rest = others === 1 ? 'the class token' : `${others} tokens before the patches`;
  const parts = [...(patches.length > 0 ? [outlined] : []), ...(others > 0 ? [rest] : [])];
  return `The language model is given ${patches.length + others} of ${all} visual tokens: ${parts.join(' and ')}.`;
}
