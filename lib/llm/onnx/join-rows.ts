import type { Rows } from './answer-model';

/** Rows before, visual rows, rows after. */
export function joinRows(parts: readonly Rows[], width: number): Rows {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const data = new Float32Array(count * width);
  let offset = 0;
  for (const part of parts) {
    data.set(part.data, offset);
    offset += part.data.length;
  }
  return { data, count };
}
