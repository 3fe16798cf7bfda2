/** The tower's features of one picture by one model: asked for when a view needs them, once. */
export class FeatureCache {
  /** @type {Map<string | null, Promise<import('./measures.js').Features>>} */
  #features = new Map();
  #gone = new AbortController();
  #scene;

  /** @param {import('./question.js').Scene} scene */
  constructor(scene) {
    this.#scene = scene;
  }

  /**
   * @param {string | null} question null: the plain ViT
   * @returns {Promise<import('./measures.js').Features>}
   */
  get(question) {
    const known = this.#features.get(question);
    if (known) return known;
    const { api, model, picture } = this.#scene;
    const asked = api.features({ model: model.id, image: picture.url, question }, this.#gone.signal);
    this.#features.set(question, asked);
    // A failure is told to whoever asked, and not remembered: the next one may succeed.
    asked.catch(() => this.#features.delete(question));
    return asked;
  }

  /** Ends what is under way: another picture has come. */
  close() {
    this.#gone.abort();
  }
}
