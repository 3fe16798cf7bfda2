import { expected, expectedButFound } from '../errors';
import { nearest } from './nearest';

/** What an option must be, in words, and whether a value is that. */
export interface Rule {
  readonly what: string;
  accepts(value: unknown): boolean;
}

export const abortSignal: Rule = { what: 'an AbortSignal', accepts: (value) => value instanceof AbortSignal };
export const boolean: Rule = { what: 'true or false', accepts: (value) => typeof value === 'boolean' };
export const path: Rule = { what: 'a path', accepts: (value) => typeof value === 'string' && value !== '' };
export const callback: Rule = { what: 'a function', accepts: (value) => typeof value === 'function' };
export const text: Rule = { what: 'a string', accepts: (value) => typeof value === 'string' };
/** For what is checked elsewhere. */
export const anything: Rule = { what: 'anything', accepts: () => true };

export function oneOf(...choices: readonly string[]): Rule {
  return { what: `one of ${choices.join(', ')}`, accepts: (value) => choices.includes(value as string) };
}

export function either(...rules: readonly Rule[]): Rule {
  return {
    what: rules.map(({ what }) => what).join(' or '),
    accepts: (value) => rules.some((rule) => rule.accepts(value)),
  };
}

export function integer(low: number, high: number): Rule {
  const accepts = (value: unknown): boolean =>
    Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high;
  return { what: `an integer from ${low} to ${high}`, accepts };
}

export function number(low: number, high: number): Rule {
  return {
    what: `a number from ${low} to ${high}`,
    accepts: (value) => typeof value === 'number' && value >= low && value <= high,
  };
}

export function matching(pattern: RegExp, what: string): Rule {
  return { what, accepts: (value) => typeof value === 'string' && pattern.test(value) };
}

/** A DeviceName (lib/binding/open-device.ts). */
export const deviceName = matching(/^(auto|cpu|reference|cuda(:\d{1,3})?)$/, 'auto, cpu, cuda or cuda:N');

/**
 * Checks an options object: every key known, every value that is given (not undefined) as its rule says.
 *
 * @param where names the call in messages: 'QAViT.load'
 * @throws QAViTError ERR_ARGUMENT; for a misspelt key with the nearest right one
 */
export function checkOptions<T extends object>(
  options: T | undefined,
  rules: { readonly [Key in keyof T]-?: Rule },
  where: string,
): T {
  if (options === undefined) return {} as T;
  const known = Object.keys(rules);
  const at = `the options of ${where}`;
  if (!isPlainObject(options)) throw expected('ERR_ARGUMENT', 'an object', at, options);
  if (isSomethingElse(options, known))
    throw expected('ERR_ARGUMENT', `an object with ${known.join(', ')}`, at, options);
  for (const [key, value] of Object.entries(options)) {
    if (!known.includes(key)) throw unknownKey(key, known, where);
    const rule = rules[key as keyof T];
    if (value !== undefined && !rule.accepts(value))
      throw expected('ERR_ARGUMENT', rule.what, `option ${key} of ${where}`, value);
  }
  return options;
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** An AbortSignal, a promise, a map: of a class, and without any of the options. Nothing of it would count. */
function isSomethingElse(options: object, known: readonly string[]): boolean {
  const prototype: unknown = Object.getPrototypeOf(options);
  const isOfClass = prototype !== null && Object.getPrototypeOf(prototype) !== null;
  return isOfClass && !known.some((key) => key in options);
}

function unknownKey(key: string, known: readonly string[], where: string): Error {
  const near = nearest(key, known);
  const found = `${JSON.stringify(key)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
  return expectedButFound('ERR_ARGUMENT', `one of ${known.join(', ')}`, `an option of ${where}`, found);
}
