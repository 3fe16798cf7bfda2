/** A line around patches, as lib/view/outline.ts draws it: none between two that touch. */

/**
 * The edges between `patches` and all others, as the path of an SVG whose units are patches.
 *
 * @param {readonly number[]} patches numbers, row by row
 * @param {import('./measures.js').Grid} grid
 */
export function outlinePath(patches, { rows, columns }) {
  const marked = new Set(patches);
  /** @type {(row: number, column: number) => boolean} */
  const isMarked = (row, column) =>
    row >= 0 && row < rows && column >= 0 && column < columns && marked.has(row * columns + column);
  return patches
    .flatMap((patch) => {
      const [row, column] = [Math.floor(patch / columns), patch % columns];
      return [
        isMarked(row - 1, column) ? '' : `M${column} ${row}h1`,
        isMarked(row + 1, column) ? '' : `M${column} ${row + 1}h1`,
        isMarked(row, column - 1) ? '' : `M${column} ${row}v1`,
        isMarked(row, column + 1) ? '' : `M${column + 1} ${row}v1`,
      ];
    })
    .join('');
}
