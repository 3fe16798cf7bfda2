import { expected } from '../errors';

/** Reads one field of a configuration file; `where` names field and file. */

export function positiveInteger(value: unknown, where: string): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw expected('ERR_FORMAT', 'a positive integer', where, value);
}

export function positiveNumber(value: unknown, where: string): number {
  if (Number.isFinite(value) && (value as number) > 0) return value as number;
  throw expected('ERR_FORMAT', 'a positive number', where, value);
}

export function integerBetween(low: number, high: number, value: unknown, where: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high) return value as number;
  throw expected('ERR_FORMAT', `an integer from ${low} to ${high}`, where, value);
}

export function flag(value: unknown, where: string): boolean {
  if (typeof value === 'boolean') return value;
  throw expected('ERR_FORMAT', 'true or false', where, value);
}

export function choice<T extends string>(choices: readonly T[], value: unknown, where: string): T {
  const found = choices.find((c) => c === value);
  if (found !== undefined) return found;
  throw expected('ERR_FORMAT', `one of ${choices.join(', ')}`, where, value);
}
