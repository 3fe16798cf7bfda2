/**
 * Which part of a picture the encoder sees: most towers resize the shorter edge and crop the middle, others squeeze the whole picture into the
 * tower's size, and pixels beyond the last whole patch are seen by none.
 */

/**
 * @typedef {{ width: number, height: number }} Size
 * @typedef {{ kind: 'exact', width: number, height: number } | { kind: 'shortest-edge', shortest: number, longest?: number } | { kind: 'cover', width: number, height: number }} ResizeRule to one size
 * @typedef {{ kind: 'most-patches' } | { kind: 'nearest-patches' }} OwnShape to whole patches
 * @typedef {Size & { resize: ResizeRule | OwnShape | null, crop: Size | null }} Preprocessing as GET /v1/models states it
 * @typedef {{ left: number, top: number, width: number, height: number }} Region in shares of the picture; may reach beyond it
 */

/**
 * @param {Size} picture
 * @param {ResizeRule | null} rule
 * @returns {Size}
 */
function resized({ width, height }, rule) {
  if (!rule) return { width, height };
  if (rule.kind === 'exact') return { width: rule.width, height: rule.height };
  if (rule.kind === 'cover') {
    const factor = Math.max(rule.width / width, rule.height / height);
    return { width: width * factor, height: height * factor };
  }
  const byShortest = rule.shortest / Math.min(width, height);
  const byLongest = rule.longest === undefined ? Infinity : rule.longest / Math.max(width, height);
  const factor = Math.min(byShortest, byLongest);
  return { width: width * factor, height: height * factor };
}

/**
 * The region that the grid of patches covers.
 *
 * @param {Size} picture
 * @param {Preprocessing} preprocessing
 * @param {{ rows: number, columns: number }} grid
 * @param {number} patch side of a patch, pixels
 * @returns {Region}
 */
export function coveredRegion(picture, preprocessing, grid, patch) {
  const { resize } = preprocessing;
  if (resize?.kind === 'most-patches' || resize?.kind === 'nearest-patches')
    return { left: 0, top: 0, width: 1, height: 1 };
  const { width, height } = resized(picture, resize);
  const crop = preprocessing.crop ?? { width, height };
  return {
    left: (width - crop.width) / 2 / width,
    top: (height - crop.height) / 2 / height,
    width: (grid.columns * patch) / width,
    height: (grid.rows * patch) / height,
  };
}
