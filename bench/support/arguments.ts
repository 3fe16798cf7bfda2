/** Values of command-line options, checked. */
import { BenchError } from './bench-error';

/** One name, which is known. */
export function oneOf<T extends string>(text: string, known: readonly T[], option: string): T {
  const found = known.find((entry) => entry === text.trim());
  if (found) return found;
  throw new BenchError(`Expected ${known.join(', ')} for --${option} but received '${text}'`);
}

/** Names by commas, all of them known. */
export const listed = <T extends string>(text: string, known: readonly T[], option: string): T[] =>
  text.split(',').map((name) => oneOf(name, known, option));

export function positive(text: string, option: string, { fraction = false } = {}): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value) && (fraction || Number.isInteger(value))) return value;
  throw new BenchError(`Expected a positive number for --${option} but received '${text}'`);
}
