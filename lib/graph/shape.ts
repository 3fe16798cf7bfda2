import { expected } from '../errors';

/** A dimension with the name it has in the papers and in messages: B batch, M visual tokens, K question tokens, C width, ... */
export interface Dim {
  readonly name: string;
  readonly size: number;
}

/** Every activation is [batch, rows, columns]. */
export type Shape = readonly [batch: Dim, rows: Dim, columns: Dim];

/** @throws QAViTError ERR_SHAPE unless `size` is a positive integer: what has no elements (K = 0) is absent, not empty */
export function dim(name: string, size: number): Dim {
  if (!Number.isSafeInteger(size) || size < 1)
    throw expected('ERR_SHAPE', 'a positive integer', `dimension ${name}`, size);
  return { name, size };
}

/** `[B=1, M=577, C=1024]` */
export function formatShape(shape: readonly (Dim | number)[]): string {
  return `[${shape.map((d) => (typeof d === 'number' ? String(d) : `${d.name}=${d.size}`)).join(', ')}]`;
}

/** Names are for reading: two shapes are the same if their sizes are. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.every((d, i) => d.size === b[i]?.size);
}

export function sizes(shape: Shape): [number, number, number] {
  return [shape[0].size, shape[1].size, shape[2].size];
}
