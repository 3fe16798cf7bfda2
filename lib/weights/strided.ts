/**
 * The elements of a strided view in row-major order, such as those of a transposed matrix.
 *
 * @param elements from the view's first one on
 */
export function gatherStrided<T extends Float32Array | Uint16Array>(
  elements: T,
  shape: readonly number[],
  strides: readonly number[],
): T {
  const last = shape.length - 1;
  const [width, step] = [shape[last] as number, strides[last] as number];
  const dense = elements.slice(
    0,
    shape.reduce((product, size) => product * size, 1),
  ) as T;
  const position = new Array<number>(last).fill(0);
  let from = 0;
  for (let row = 0; row < dense.length; row += width) {
    for (let i = 0; i < width; i++) dense[row + i] = elements[from + i * step] as number;
    // One row on: the last dimension with room steps, those behind it start again.
    for (let d = last - 1; d >= 0; d--) {
      from += strides[d] as number;
      if (++(position[d] as number) < (shape[d] as number)) break;
      from -= (strides[d] as number) * (shape[d] as number);
      position[d] = 0;
    }
  }
  return dense;
}

/** A matrix [rows, columns] as [columns, rows]. */
export function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return gatherStrided(matrix, [columns, rows], [1, columns]);
}
