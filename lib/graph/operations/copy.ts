import type { Grid } from '../../grid';
import type { ComputeDType, Graph } from '../graph';
import { dim } from '../shape';
import type { Tensor } from '../tensor';
import { FLOATS } from './dtypes';

/** The same numbers, dense and in another dtype (the compute dtype unless given). */
export function copy(g: Graph, x: Tensor, options: { dtype?: ComputeDType } = {}): Tensor {
  g.expectDType('copy', 'x', x, ...FLOATS);
  const y = g.allocate(options.dtype ?? g.options.dtype, x.shape);
  g.record('copy', { x, y }, {}, {});
  return y;
}

/**
 * Tensors side by side.
 *
 * @param parts [B, rows, each its own], at least one
 * @param as name of the result's columns
 * @returns [B, rows, sum of the columns] in the compute dtype
 */
export function concatColumns(g: Graph, parts: readonly Tensor[], as: string): Tensor {
  const [first] = parts;
  if (!first) throw g.wrongArgument('copy', 'something to put side by side', 'nothing');
  const columns = parts.reduce((sum, part) => sum + part.columns.size, 0);
  const all = g.allocate(g.options.dtype, [first.batch, first.rows, dim(as, columns)]);
  let start = 0;
  for (const part of parts) {
    g.expectDType('copy', 'x', part, ...FLOATS);
    g.expectShape('copy', 'x', part, [first.batch, first.rows, part.columns]);
    const y = all.sliceColumns(start, start + part.columns.size);
    g.record('copy', { x: part, y }, {}, {});
    start += part.columns.size;
  }
  return all;
}

/**
 * Tensors one below another.
 *
 * @param parts [B, each its own, C], at least one
 * @param as name of the result's rows
 * @param dtype of the result; the stream's unless given
 * @returns [B, sum of the rows, C]; the part itself where it is the only one
 */
export function concatRows(
  g: Graph,
  parts: readonly Tensor[],
  as: string,
  dtype: ComputeDType = g.options.stream,
): Tensor {
  const [first] = parts;
  if (!first) throw g.wrongArgument('copy', 'something to put one below another', 'nothing');
  if (parts.length === 1) return first;
  const rows = parts.reduce((sum, part) => sum + part.rows.size, 0);
  const all = g.allocate(dtype, [first.batch, dim(as, rows), first.columns]);
  let start = 0;
  for (const x of parts) {
    g.expectDType('copy', 'x', x, ...FLOATS);
    g.expectShape('copy', 'x', x, [first.batch, x.rows, first.columns]);
    g.record('copy', { x, y: all.sliceRows(start, start + x.rows.size) }, {}, {});
    start += x.rows.size;
  }
  return all;
}

/**
 * Neighbours in a grid of rows side by side: pixel shuffle (Shi et al. 2016, arXiv 1609.05158) backwards, as Idefics3's connector does
 * it. Row (i, j) of the result is the rows (i*factor + dy, j*factor + dx) of x, dx counting fastest.
 *
 * @param x [B, rows * columns, C]
 * @param grid what rows of x are patches of
 * @param factor divides its rows and its columns
 * @returns [B, rows/factor * columns/factor, factor^2*C] in the dtype of x
 */
export function pixelShuffle(g: Graph, x: Tensor, { rows, columns }: Grid, factor: number): Tensor {
  if (rows % factor !== 0 || columns % factor !== 0) {
    throw g.wrongArgument('copy', `a grid in squares of ${factor} x ${factor}`, `${rows} x ${columns}`);
  }
  g.expectDType('copy', 'x', x, ...FLOATS);
  g.expectShape('copy', 'x', x, [x.batch, dim('rows*columns', rows * columns), x.columns]);
  const [bandCount, cells, width] = [rows / factor, columns / factor, factor * x.columns.size];
  const samples = x.batch.size;
  const all = g.allocate(x.dtype, [x.batch, dim('N', bandCount * cells), dim(`${factor ** 2}*C`, factor * width)]);
  // A line of the grid is `cells` pieces of `factor` rows of x, and each piece has its place in one row of the result.
  const dense = x.isDense ? x : gathered(g.scope('dense'), x);
  const lines = dense.reshape([dim('lines', samples * rows), dim('cells', cells), dim(`${factor}*C`, width)]);
  const bands = all.reshape([dim('bands', samples * bandCount), dim('cells', cells), all.columns]);
  for (let dy = 0; dy < factor; dy++) {
    const y = bands.sliceColumns(dy * width, (dy + 1) * width);
    g.record('copy', { x: lines.everySample(dy, factor), y }, {}, {});
  }
  return all;
}

/** The same numbers, one behind another. */
function gathered(g: Graph, x: Tensor): Tensor {
  const y = g.allocate(x.dtype, x.shape);
  g.record('copy', { x, y }, {}, {});
  return y;
}

/**
 * Samples of their own as one batch.
 *
 * @param parts [1, rows, C], all alike, at least one
 * @returns [B, rows, C] in the dtype of the parts
 */
export function joinSamples(g: Graph, parts: readonly Tensor[]): Tensor {
  const [first] = parts;
  if (!first) throw g.wrongArgument('copy', 'something to make a batch of', 'nothing');
  g.expectDType('copy', 'x', first, ...FLOATS);
  const all = g.allocate(first.dtype, [dim('B', parts.length), first.rows, first.columns]);
  parts.forEach((x, i) => {
    g.expectDType('copy', 'x', x, first.dtype);
    g.expectShape('copy', 'x', x, [dim('1', 1), first.rows, first.columns]);
    g.record('copy', { x, y: all.sample(i) }, {}, {});
  });
  return all;
}
