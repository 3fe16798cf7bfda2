/**
 * Failures as a person would say them.
 *
 * @typedef {{ message: string, detail: string }} PlainWords one or two sentences for the person, and what the server itself said where that
 *   adds something
 */

/** An answer of the server that is no success. */
export class ApiError extends Error {
  /**
   * @param {number} status
   * @param {string} message the server's own words
   * @param {{ code?: string | null, retryAfter?: number }} [more]
   */
  constructor(status, message, { code = null, retryAfter } = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** Something that the person can put right; its message is already in plain words. */
export class PlainError extends Error {}

/** @type {Readonly<Record<number, string>>} */
const BY_STATUS = {
  400: 'The server cannot take this as it is.',
  401: 'The server asks for an API key.',
  403: 'The server does not allow this.',
  404: 'The server does not know this model or address.',
  408: 'The server waited too long for the picture.',
  413: 'The picture is too large for this server.',
  415: 'The server cannot read this kind of file.',
  422: 'The server cannot take this as it is.',
  429: 'The server has more to do than it can take.',
  500: 'Something went wrong in the server.',
  503: 'The server is not ready for questions.',
};

/** @param {ApiError} error */
function whenToRetry({ status, retryAfter }) {
  if (retryAfter !== undefined) return ` Try again in ${retryAfter} ${retryAfter === 1 ? 'second' : 'seconds'}.`;
  return status === 429 || status === 503 ? ' Try again in a moment.' : '';
}

/**
 * @param {unknown} error
 * @returns {PlainWords}
 */
export function inPlainWords(error) {
  if (error instanceof PlainError) return { message: error.message, detail: '' };
  if (error instanceof ApiError) {
    const what = BY_STATUS[error.status] ?? (error.status >= 500 ? BY_STATUS[500] : BY_STATUS[400]);
    return { message: `${what}${whenToRetry(error)}`, detail: error.message };
  }
  // fetch() rejects with a TypeError where there is no connection, and a stream that breaks off ends in one as well.
  if (error instanceof TypeError) return { message: 'The server cannot be reached.', detail: '' };
  return { message: 'Something went wrong on this page.', detail: error instanceof Error ? error.message : '' };
}
