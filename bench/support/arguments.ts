/** Values of command-line options, checked. */
import { BenchError } from './bench-error';

/** Names by commas, all of them known. */
export function listed<T extends string>(text: string, known: readonly T[], option: string): T[] {
  return text.split(',').map((name) => {
    const found = known.find((entry) => entry === name.trim());
    if (found) return found;
    throw new BenchError(`Expected ${known.join(', ')} for --${option} but received '${name}'`);
  });
}

export function positive(text: string, option: string, { fraction = false } = {}): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value) && (fraction || Number.isInteger(value))) return value;
  throw new BenchError(`Expected a positive number for --${option} but received '${text}'`);
}
