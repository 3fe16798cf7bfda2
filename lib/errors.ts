/**
 * What kind of thing went wrong; stable, for programs.
 *
 * - `ERR_ARGUMENT`: what the caller gave is wrong, or what it called is closed;
 * - `ERR_SHAPE`, `ERR_DTYPE`: an array or a tensor of other dimensions or another type than is needed;
 * - `ERR_FORMAT`: a file, a picture or an answer from elsewhere is damaged, or not what it should be;
 * - `ERR_UNSUPPORTED`: right, but nothing that this build, this device or this model can do;
 * - `ERR_OUT_OF_MEMORY`: there is none, on the device or the host; the call may be tried again with less;
 * - `ERR_DEVICE`: the device or a language model's process failed; a GPU's models go on failing, others are not concerned;
 * - `ERR_ABORTED`: the signal fired, or what works on it was closed;
 * - `ERR_BUSY`: more calls at once than were allowed; to be tried again;
 * - `ERR_NETWORK`: a server did not answer, or not as it should.
 */
export type QAViTErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_FORMAT'
  | 'ERR_UNSUPPORTED'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_DEVICE'
  | 'ERR_ABORTED'
  | 'ERR_ARGUMENT'
  | 'ERR_BUSY'
  | 'ERR_NETWORK';

/** Every error this package raises, from TypeScript and native code alike. */
export class QAViTError extends Error {
  override readonly name = 'QAViTError';

  constructor(
    readonly code: QAViTErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** How a received value is shown in a message: short, with its type, never its whole content, of arrays in arrays no more than two. */
function describe(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 77)}...` : value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) {
    if (depth === 2) return `an array of ${value.length}`;
    const parts = value.slice(0, 8).map((part) => describe(part, depth + 1));
    return `[${parts.join(', ')}${value.length > 8 ? ', ...' : ''}]`;
  }
  if (ArrayBuffer.isView(value)) return `${classOf(value)} of ${value.byteLength} bytes`;
  return typeof value === 'object' ? classOf(value) : `a ${typeof value}`;
}

/** By the prototype: what a file says of a `constructor` is any value, with any name. */
function classOf(value: object): string {
  const prototype = Object.getPrototypeOf(value) as { constructor?: { name?: unknown } } | null;
  const name = prototype?.constructor?.name;
  return typeof name === 'string' && /^[\w$]{1,80}$/.test(name) ? name : 'an object';
}

/**
 * The one wording of a rejected value: `Expected <what> for <where> but received <actual>`.
 *
 */
export function expected(code: QAViTErrorCode, what: string, where: string, actual: unknown): QAViTError {
  return new QAViTError(code, `Expected ${what} for ${where} but received ${describe(actual)}`);
}

/** Like `expected`, where the caller words what it received. */
export function expectedButFound(code: QAViTErrorCode, what: string, where: string, found: string): QAViTError {
  return new QAViTError(code, `Expected ${what} for ${where} but received ${found}`);
}
