import { find, showProblem } from './dom.js';
import { FeatureCache } from './features.js';
import { Figure } from './figure.js';
import { coveredRegion } from './geometry.js';
import { Lens, VIEWS } from './lens.js';
import {
  attentionToQuestion,
  bestRated,
  changeByQuestion,
  commonRange,
  differenceBetween,
  standingOut,
} from './measures.js';
import { inPlainWords } from './plain-words.js';

/**
 * @typedef {import('./measures.js').PatchGrid} PatchGrid
 * @typedef {import('./question.js').Question} Question
 * @typedef {import('./question.js').Scene} Scene
 */

/**
 * Per cent, with a decimal where a range is narrow.
 *
 * @param {import('./measures.js').Range} range
 */
const percentWithin = ({ low, high }) => {
  const decimals = high - low < 0.1 ? 1 : 0;
  return (/** @type {number} */ value) => `${(value * 100).toFixed(decimals)} %`;
};

/** The figures side by side, on one scale, and what chooses what they show. */
export class Stage {
  lens = new Lens();
  #place = find(document, '#figures', HTMLElement);
  #problem = find(document, '#stage-problem', HTMLElement);
  /** @type {Map<Question, Figure>} */
  #figures = new Map();
  /**
   * What each question's figure was last drawn from: an answer grows by many pieces, its maps come once.
   *
   * @type {WeakMap<Question, import('./measures.js').AttentionMaps | undefined>}
   */
  #drawn = new WeakMap();
  /** @type {import('./pictures.js').Picture | undefined} */
  #picture;
  /** @type {Scene | undefined} */
  #scene;
  /** @type {FeatureCache | undefined} */
  #features;
  #drawing = 0;
  /**
   * Visual tokens that the language model is given; undefined for all.
   *
   * @type {number | undefined}
   */
  #budget;

  constructor() {
    this.lens.addEventListener('change', () => void this.#draw());
  }

  /**
   * @param {Question} question
   * @param {string} letter
   */
  add(question, letter) {
    const figure = new Figure(letter, (patch) => this.#figures.forEach((each) => each.showPatch(patch)));
    this.#figures.set(question, figure);
    this.#place.append(figure.element);
    question.addEventListener('change', () => this.#questionChanged(question));
    if (this.#picture) figure.showPicture(this.#picture);
    this.#questionChanged(question);
    void this.#draw();
  }

  /** @param {Question} question */
  remove(question) {
    this.#figures.get(question)?.element.remove();
    this.#figures.delete(question);
    this.#offer();
    void this.#draw();
  }

  /**
   * On a narrow window the answer would come out of sight.
   *
   * @param {Question} question
   */
  reveal(question) {
    const figure = this.#figures.get(question)?.element;
    if (figure && figure.getBoundingClientRect().top > innerHeight * 0.8) figure.scrollIntoView({ block: 'start' });
  }

  /** @param {number | undefined} count visual tokens, to be outlined; undefined for all, which are not */
  outline(count) {
    this.#budget = count;
    for (const [question, figure] of this.#figures) this.#outlineIn(figure, question);
  }

  /** @param {import('./pictures.js').Picture} picture */
  showPicture(picture) {
    this.#picture = picture;
    for (const figure of this.#figures.values()) figure.showPicture(picture);
  }

  /**
   * Another picture or model: nothing that was measured holds any longer.
   *
   * @param {Scene} scene
   */
  setScene(scene) {
    this.#features?.close();
    this.#features = new FeatureCache(scene);
    this.#scene = scene;
    for (const question of this.#figures.keys()) question.reset();
    this.showPicture(scene.picture);
    this.#offer();
    void this.#draw();
  }

  /** @param {Question} question */
  #questionChanged(question) {
    const known = this.#scene?.picture.questions.find((each) => each.question === question.text);
    this.#figures.get(question)?.showQuestion(question, known?.answer);
    if (this.#drawn.get(question) === question.maps) return;
    this.#drawn.set(question, question.maps);
    const figure = this.#figures.get(question);
    if (figure) this.#outlineIn(figure, question);
    this.#offer();
    void this.#draw();
  }

  /**
   * @param {Figure} figure
   * @param {Question} question
   */
  #outlineIn(figure, { maps }) {
    const count = this.#budget;
    if (count === undefined || !maps?.ratings || !this.#scene) return figure.showKept(undefined);
    const { grid } = maps;
    const region = regionOf(this.#scene, grid);
    figure.showKept({ ...bestRated(maps, count), all: maps.ratings.length, grid, region });
  }

  /** Says which views there is something for. */
  #offer() {
    const measured = [...this.#figures.keys()].filter(({ maps }) => maps).length;
    this.lens.offer({
      picture: true,
      plain: this.#scene !== undefined,
      change: measured > 0,
      attention: measured > 0,
      between: measured > 1,
    });
  }

  async #draw() {
    const drawing = ++this.#drawing;
    /** @type {(PatchGrid | undefined)[]} */
    let grids = [];
    /** @type {ReturnType<typeof inPlainWords> | undefined} */
    let problem;
    try {
      grids = await this.#grids();
    } catch (error) {
      problem = inPlainWords(error);
    }
    // Something newer is to be drawn.
    if (drawing !== this.#drawing) return;
    showProblem(this.#problem, problem);
    const range = commonRange(grids.flatMap((grid) => grid ?? []));
    const { caption, meaning } = VIEWS[this.lens.view];
    const format =
      this.lens.view === 'plain' ? (/** @type {number} */ value) => value.toFixed(2) : percentWithin(range);
    [...this.#figures.values()].forEach((figure, i) => {
      const grid = grids[i];
      figure.showMap(
        grid && this.#scene && { grid, range, caption, meaning, format, region: regionOf(this.#scene, grid) },
      );
    });
  }

  /** @returns {Promise<(PatchGrid | undefined)[]>} */
  async #grids() {
    const { view, layer } = this.lens;
    const questions = [...this.#figures.keys()];
    const [features, scene] = [this.#features, this.#scene];
    if (!features || !scene || view === 'picture') return [];
    if (view === 'attention') return questions.map(({ maps }) => maps && attentionToQuestion(maps, layer));
    if (view === 'change') return questions.map(({ maps }) => maps && changeByQuestion(maps));
    const { grid } = scene.model.qavit;
    const plain = await features.get(null);
    if (view === 'plain') return questions.map(() => standingOut(plain, grid));
    const [a, b] = await Promise.all(questions.map(({ text }) => features.get(text)));
    if (!a || !b) return [];
    return questions.map(() => differenceBetween(a, b, plain, grid));
  }
}

/**
 * @param {Scene} scene
 * @param {import('./measures.js').Grid} grid
 */
function regionOf({ model, picture }, grid) {
  return coveredRegion(picture.bitmap, model.qavit.image, grid, model.qavit.patch);
}
