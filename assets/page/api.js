import { ApiError } from './plain-words.js';
import { serverSentEvents } from './sse.js';

/**
 * @typedef {{ id: string, qavit: ModelFacts }} Model
 * @typedef {object} ModelFacts
 * @property {import('./geometry.js').Preprocessing} image
 * @property {number | null} maxPatches of a picture, where each has a shape of its own
 * @property {number} patch side of a patch, pixels
 * @property {{ rows: number, columns: number }} grid
 * @property {number} visualTokens handed over unless a request says otherwise
 * @property {number} allTokens
 * @property {boolean} selectsTokens whether a request may say otherwise
 * @property {number} layers
 * @property {number[]} fusedLayers
 * @property {number[]} gates
 * @property {string} dtype
 * @property {string} device
 * @property {boolean} canAnswer
 * @property {boolean} readsQuestions whether they reach the tower
 * @property {{ pixels: number, bytes: number }} limits of a picture's file
 *
 * @typedef {Record<string, number>} Timings milliseconds by stage
 * @typedef {{ timings?: Timings, cached?: { image?: boolean, question?: boolean } }} Extras
 * @typedef {{ model: string, image: string, question: string }} Query `image` is a data: URL
 */

const BASE = new URL('../v1/', import.meta.url);
/** Kept for this tab only, and gone with it. */
const KEY_ITEM = 'qavit.key';

/**
 * Whether a header can carry it; `fetch` fails with any other as it does without a connection.
 *
 * @param {string} key
 */
export const canBeSent = (key) => /^[\x21-\x7e]+$/.test(key);

/** @returns {string} empty for none */
function keptKey() {
  const key = sessionStorage.getItem(KEY_ITEM) ?? '';
  if (canBeSent(key)) return key;
  sessionStorage.removeItem(KEY_ITEM);
  return '';
}

/** The server's HTTP API, as docs/serving.md describes it. */
export class Api {
  #key = keptKey();
  /** @type {Promise<boolean> | undefined} */
  #asking;
  /** How often a person has answered. */
  #answers = 0;
  /** Whether with a key, the last time. */
  #isGiven = false;
  #askForKey;

  /** @param {(rejected: boolean) => Promise<string | null>} askForKey shows a person's way in; null where they decline */
  constructor(askForKey) {
    this.#askForKey = askForKey;
  }

  /** @returns {Promise<Model[]>} */
  async models() {
    const response = await this.#request('models');
    return (await response.json()).data;
  }

  /**
   * The answer in pieces, and once what it took.
   *
   * @param {Query} query
   * @param {{ questionAware: boolean, visualTokens?: number | 'all', signal: AbortSignal }} options
   * @returns {AsyncGenerator<{ text: string } | { extras: Extras }, void, void>}
   */
  async *ask({ model, image, question }, { questionAware, visualTokens, signal }) {
    const content = [
      { type: 'text', text: question },
      { type: 'image_url', image_url: { url: image } },
    ];
    const messages = [{ role: 'user', content }];
    const qavit = { question_aware: questionAware, visual_tokens: visualTokens };
    const body = { model, messages, stream: true, qavit };
    const response = await this.#request('chat/completions', body, signal);
    for await (const data of serverSentEvents(bodyOf(response))) {
      if (data === '[DONE]') return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new ApiError(500, String(chunk.error.message), { code: chunk.error.code });
      const text = chunk.choices?.[0]?.delta?.content;
      if (text) yield { text };
      if (chunk.qavit) yield { extras: chunk.qavit };
    }
    throw new ApiError(500, 'The answer broke off before its end.');
  }

  /**
   * @param {Query} query
   * @param {AbortSignal} signal
   * @returns {Promise<import('./measures.js').AttentionMaps>}
   */
  async attend(query, signal) {
    return (await this.#request('attend', query, signal)).json();
  }

  /**
   * The tower's own features.
   *
   * @param {Omit<Query, 'question'> & { question: string | null }} query
   * @param {AbortSignal} signal
   * @returns {Promise<import('./measures.js').Features>}
   */
  async features(query, signal) {
    const response = await this.#request('visual-tokens', { ...query, output: 'tower', format: 'json' }, signal);
    const { shape, data } = await response.json();
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    return { shape, data: new Float32Array(bytes.buffer) };
  }

  /**
   * @param {string} path
   * @param {object} [body]
   * @param {AbortSignal} [signal]
   */
  async #request(path, body, signal) {
    for (;;) {
      const key = this.#key;
      const answers = this.#answers;
      const response = await this.#send(path, body, signal);
      // Only what let somebody in is worth keeping. Who is turned away for another reason may not have been asked for a key.
      if (key !== '' && response.ok) sessionStorage.setItem(KEY_ITEM, key);
      if (response.ok) return response;
      const error = await errorOf(response);
      if (response.status !== 401 || !(await this.#newKey(answers))) throw error;
      signal?.throwIfAborted();
    }
  }

  /**
   * @param {string} path
   * @param {object | undefined} body
   * @param {AbortSignal | undefined} signal
   */
  #send(path, body, signal) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.#key !== '') headers.authorization = `Bearer ${this.#key}`;
    if (body) headers['content-type'] = 'application/json';
    const init = { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body), signal };
    return fetch(new URL(path, BASE), init);
  }

  /**
   * Requests that were under way at the same time share one question for the key, whenever the server comes to refuse them.
   *
   * @param {number} answers how many there were when the request was sent
   * @returns whether there is another key
   */
  async #newKey(answers) {
    if (this.#answers > answers) return this.#isGiven;
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  async #ask() {
    const key = await this.#askForKey(this.#key !== '');
    this.#answers += 1;
    this.#isGiven = key !== null;
    this.#key = key ?? this.#key;
    return this.#isGiven;
  }
}

/** @param {Response} response */
function bodyOf({ body }) {
  if (!body) throw new ApiError(500, 'The answer has no body.');
  return body;
}

/** @param {Response} response */
async function errorOf(response) {
  const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
  const more = { retryAfter: Number.isFinite(retryAfter) ? Math.ceil(retryAfter) : undefined };
  // A proxy in between may answer with a page of its own instead of JSON.
  const body = await response.json().catch(() => null);
  return new ApiError(response.status, body?.error?.message ?? response.statusText, {
    ...more,
    code: body?.error?.code,
  });
}
