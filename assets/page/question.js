import { inPlainWords } from './plain-words.js';

/**
 * @typedef {object} Scene what a question is asked about
 * @property {import('./api.js').Api} api
 * @property {import('./api.js').Model} model
 * @property {import('./pictures.js').Picture} picture
 * @typedef {import('./plain-words.js').PlainWords} PlainWords
 * @typedef {'idle' | 'asking' | 'done' | 'stopped' | 'failed'} Phase
 */

/** One question about the picture, and all that came of it. Fires `change` whenever there is something more to show. */
export class Question extends EventTarget {
  /** @type {Phase} */
  phase = 'idle';
  /** As it was asked. */
  text = '';
  answer = '';
  /** Whether the answer has ended; maps and what it is compared with come later, and may fail without it. */
  isAnswered = false;
  /** What the same language model answers from the plain ViT's features. */
  plainAnswer = '';
  /** @type {import('./api.js').Extras | undefined} */
  extras;
  /** From sending to the last word, as seen from here. */
  browserMs = 0;
  /** @type {import('./measures.js').AttentionMaps | undefined} */
  maps;
  /** @type {PlainWords | undefined} */
  problem;
  /**
   * What is missing beside the answer, and why.
   *
   * @type {PlainWords[]}
   */
  lacks = [];
  /** @type {AbortController | undefined} */
  #running;
  /** @type {Scene | undefined} */
  #scene;

  get isRunning() {
    return this.phase === 'asking';
  }

  /** Ends what is under way; the server is told by the connection's end. */
  stop() {
    this.#running?.abort();
  }

  /** Forgets everything, for another picture. */
  reset() {
    this.stop();
    this.#running = undefined;
    this.#clear('');
    this.#enter('idle');
  }

  /**
   * Resolves when everything is there, or when it has failed or was stopped: `phase` says which.
   *
   * @param {string} text
   * @param {Scene} scene
   * @param {number | undefined} visualTokens that the language model is given; undefined for all
   */
  async ask(text, scene, visualTokens) {
    this.stop();
    const running = new AbortController();
    this.#running = running;
    const isSame = text === this.text && scene === this.#scene;
    // The maps do not depend on how much the language model is given.
    this.#clear(text, isSame ? this.maps : undefined);
    this.#scene = scene;
    this.#enter('asking');
    try {
      await this.#answerAndMaps(scene, visualTokens, running.signal);
      if (running === this.#running) this.#enter('done');
    } catch (error) {
      // Another question, or another picture, has taken this one's place.
      if (running !== this.#running) return;
      if (!running.signal.aborted) this.problem = inPlainWords(error);
      this.#enter(running.signal.aborted ? 'stopped' : 'failed');
      running.abort();
    }
  }

  /**
   * The stages of the answer are timed, so nothing else is asked for until the first word is there; and an answer from the plain ViT is
   * only wanted for comparison, so it comes last.
   *
   * @param {Scene} scene
   * @param {number | undefined} count
   * @param {AbortSignal} signal
   */
  async #answerAndMaps({ api, model, picture }, count, signal) {
    const query = { model: model.id, image: picture.url, question: this.text };
    const hearsQuestions = model.qavit.fusedLayers.length > 0;
    const visualTokens = model.qavit.selectsTokens ? (count ?? 'all') : undefined;
    /** @type {Promise<void> | undefined} */
    let maps;
    const isMeasured = !hearsQuestions || this.maps !== undefined;
    const measure = () => (maps ??= isMeasured ? Promise.resolve() : this.#measure(api, query, signal));
    if (!model.qavit.canAnswer) {
      await measure();
      return signal.throwIfAborted();
    }
    const start = performance.now();
    for await (const piece of api.ask(query, { questionAware: true, visualTokens, signal })) {
      signal.throwIfAborted();
      if ('extras' in piece) {
        this.extras = piece.extras;
        this.browserMs = performance.now() - start;
      } else {
        this.answer += piece.text;
        void measure();
      }
      this.#changed();
    }
    this.isAnswered = true;
    this.#changed();
    await measure();
    signal.throwIfAborted();
    if (hearsQuestions) await this.#compare(api, query, { questionAware: false, visualTokens, signal });
    signal.throwIfAborted();
  }

  /**
   * @param {import('./api.js').Api} api
   * @param {import('./api.js').Query} query
   * @param {AbortSignal} signal
   */
  async #measure(api, query, signal) {
    try {
      const maps = await api.attend(query, signal);
      signal.throwIfAborted();
      this.maps = maps;
      this.#changed();
    } catch (error) {
      this.#lack('No heat map.', error, signal);
    }
  }

  /**
   * @param {import('./api.js').Api} api
   * @param {import('./api.js').Query} query
   * @param {Parameters<import('./api.js').Api['ask']>[1]} options
   */
  async #compare(api, query, options) {
    try {
      for await (const piece of api.ask(query, options)) {
        options.signal.throwIfAborted();
        if ('text' in piece) this.plainAnswer += piece.text;
        this.#changed();
      }
    } catch (error) {
      this.#lack('The comparison with the plain ViT failed.', error, options.signal);
    }
  }

  /**
   * The answer stands without it.
   *
   * @param {string} what
   * @param {unknown} error
   * @param {AbortSignal} signal
   */
  #lack(what, error, signal) {
    if (signal.aborted) return;
    const { message, detail } = inPlainWords(error);
    this.lacks = [...this.lacks, { message: `${what} ${message}`, detail }];
    this.#changed();
  }

  /**
   * @param {string} text
   * @param {import('./measures.js').AttentionMaps} [maps] that hold still
   */
  #clear(text, maps) {
    this.text = text;
    this.answer = '';
    this.isAnswered = false;
    this.plainAnswer = '';
    this.extras = undefined;
    this.browserMs = 0;
    this.maps = maps;
    this.problem = undefined;
    this.lacks = [];
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.phase = phase;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}
