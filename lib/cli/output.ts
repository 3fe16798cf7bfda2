import { once } from 'node:events';

/** Text without the control characters that would move a terminal's cursor or change its colours; line breaks and tabs stay. */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- naming the control characters is the purpose
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
}

/** Writes to standard output, waiting where its reader is slower than we are. */
export async function print(text: string, signal?: AbortSignal): Promise<void> {
  if (process.stdout.write(printable(text)) || signal?.aborted) return;
  // A reader that leaves ends in an abort, not in 'drain'.
  await once(process.stdout, 'drain', { signal }).catch(() => undefined);
}

/** One JSON value on one line. */
export async function printJson(value: unknown, signal?: AbortSignal): Promise<void> {
  await print(`${JSON.stringify(value)}\n`, signal);
}

/** Names and values in two aligned columns. */
export function table(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

/** `0–3, 5, 8–11`: numbers in order, neighbours joined. */
export function ranges(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run && run[1] === number - 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}–${to}`)).join(', ') || 'none';
}

/** Bytes as a person reads them. */
export function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ''}`;
}
