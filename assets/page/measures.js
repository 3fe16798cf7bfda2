/** What is drawn over a picture: one number a patch. The arithmetic is that of lib/view, and a test holds the two together. */

/**
 * @typedef {{ rows: number, columns: number }} Grid
 * @typedef {Grid & { values: ArrayLike<number> }} PatchGrid one value per patch, row by row
 * @typedef {{ low: number, high: number }} Range
 * @typedef {{ data: Float32Array, shape: [tokens: number, width: number] }} Features
 * @typedef {{ layer: number, gate: number, map: number[] }} LayerMap
 * @typedef {{ grid: Grid, layers: LayerMap[], difference: number[], ratings?: number[] }} AttentionMaps what POST /v1/attend answers
 */

/**
 * Share of each patch's attention that goes to the question, in one fused layer or, without `layer`, the mean over all of them.
 *
 * @param {AttentionMaps} maps
 * @param {number | undefined} layer
 * @returns {PatchGrid}
 */
export function attentionToQuestion({ layers, grid }, layer) {
  const chosen = layer === undefined ? layers : layers.filter((candidate) => candidate.layer === layer);
  const values = Float32Array.from({ length: grid.rows * grid.columns }, (_, patch) =>
    chosen.reduce((sum, { map }) => sum + (map[patch] ?? 0) / chosen.length, 0),
  );
  return { ...grid, values };
}

/**
 * How far the question moves each patch's feature, relative to the plain ViT's.
 *
 * @param {AttentionMaps} maps
 * @returns {PatchGrid}
 */
export function changeByQuestion({ difference, grid }) {
  return { ...grid, values: Float32Array.from(difference) };
}

/**
 * The `count` tokens that are rated highest, of equals the first; the patches among them, and how many of them are none.
 *
 * @param {AttentionMaps} maps
 * @param {number} count
 */
export function bestRated({ ratings = [], grid }, count) {
  /** @type {(token: number) => number} */
  const rating = (token) => ratings[token] ?? 0;
  const tokens = [...ratings.keys()].sort((a, b) => rating(b) - rating(a) || a - b).slice(0, count);
  const before = ratings.length - grid.rows * grid.columns;
  const patches = tokens.map((token) => token - before).filter((patch) => patch >= 0);
  return { patches: patches.sort((a, b) => a - b), others: tokens.length - patches.length };
}

/**
 * The patches' rows; class token and registers stand before them.
 *
 * @param {Features} features
 * @param {Grid} grid
 */
function patchRows({ data, shape: [tokens, width] }, { rows, columns }) {
  const first = tokens - rows * columns;
  return Array.from({ length: rows * columns }, (_, patch) => {
    const start = (first + patch) * width;
    return data.subarray(start, start + width);
  });
}

/**
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 */
function dot(a, b) {
  let sum = 0;
  for (let c = 0; c < a.length; c++) sum += (a[c] ?? 0) * (b[c] ?? 0);
  return sum;
}

/**
 * How much each patch stands out: 1 - cosine between its feature and the mean of all patches'.
 *
 * @param {Features} features
 * @param {Grid} grid
 * @returns {PatchGrid}
 */
export function standingOut(features, grid) {
  const rows = patchRows(features, grid);
  const mean = new Float64Array(features.shape[1]);
  for (const row of rows) row.forEach((value, c) => (mean[c] = (mean[c] ?? 0) + value / rows.length));
  const meanNorm = Math.sqrt(dot(mean, mean));
  const values = Float32Array.from(rows, (row) => {
    const norms = Math.sqrt(dot(row, row)) * meanNorm;
    return norms > 0 ? 1 - dot(row, mean) / norms : 0;
  });
  return { rows: grid.rows, columns: grid.columns, values };
}

/**
 * ||a - b|| / ||plain|| of each patch's feature: how differently two questions make the encoder see it.
 *
 * @param {Features} a
 * @param {Features} b
 * @param {Features} plain
 * @param {Grid} grid
 * @returns {PatchGrid}
 */
export function differenceBetween(a, b, plain, grid) {
  const [rowsOfA, rowsOfB] = [patchRows(a, grid), patchRows(b, grid)];
  const values = Float32Array.from(patchRows(plain, grid), (row, patch) => {
    const difference = Float64Array.from(row, (_, c) => (rowsOfA[patch]?.[c] ?? 0) - (rowsOfB[patch]?.[c] ?? 0));
    const norm = dot(row, row);
    return norm > 0 ? Math.sqrt(dot(difference, difference) / norm) : 0;
  });
  return { rows: grid.rows, columns: grid.columns, values };
}

/**
 * The smallest and largest value of several grids: one scale for pictures that are compared with each other.
 *
 * @param {readonly PatchGrid[]} grids
 * @returns {Range}
 */
export function commonRange(grids) {
  let [low, high] = [Infinity, -Infinity];
  for (const { values } of grids) {
    for (const value of Array.from(values)) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  return low <= high ? { low, high } : { low: 0, high: 0 };
}

/**
 * Bilinear enlargement to `width` x `height`, row by row. A patch's value belongs to its centre; beyond the outermost centres it is held.
 *
 * @param {PatchGrid} grid
 * @param {number} width
 * @param {number} height
 */
export function upsample({ values, rows, columns }, width, height) {
  const across = blendAlong(width, columns);
  const result = new Float32Array(width * height);
  /** @type {(row: number, column: number) => number} */
  const at = (row, column) => values[row * columns + column] ?? 0;
  blendAlong(height, rows).forEach((row, y) => {
    across.forEach(({ first, second, weight }, x) => {
      const upper = at(row.first, first) * (1 - weight) + at(row.first, second) * weight;
      const lower = at(row.second, first) * (1 - weight) + at(row.second, second) * weight;
      result[y * width + x] = upper * (1 - row.weight) + lower * row.weight;
    });
  });
  return result;
}

/**
 * @param {number} length
 * @param {number} count
 */
function blendAlong(length, count) {
  return Array.from({ length }, (_, pixel) => {
    const position = Math.min(Math.max(((pixel + 0.5) * count) / length - 0.5, 0), count - 1);
    const first = Math.floor(position);
    return { first, second: Math.min(first + 1, count - 1), weight: position - first };
  });
}
