import type { DType, ViewDescription } from '../binding/native';
import { expectedButFound } from '../errors';
import { type Dim, dim, formatShape, sameShape, type Shape, sizes } from './shape';

/** Where a tensor's elements lie inside its value; all in elements. */
interface Layout {
  readonly offset: number;
  readonly batchStride: number;
  readonly rowStride: number;
}

/**
 * A symbolic activation: what it is called, how it is shaped and which value of the plan holds it, but no numbers. Slices and
 * broadcasts are views of the same value and cost nothing.
 */
export class Tensor {
  /** @param owner what recorded the value; tensors of different recordings do not mix */
  constructor(
    readonly owner: object,
    readonly value: number,
    readonly dtype: DType,
    readonly shape: Shape,
    private readonly layout: Layout = denseLayout(shape),
  ) {}

  get batch(): Dim {
    return this.shape[0];
  }

  get rows(): Dim {
    return this.shape[1];
  }

  get columns(): Dim {
    return this.shape[2];
  }

  /** Whether this is all of its value, which has the shape `whole`, in the order in which it was written. */
  covers(whole: Shape): boolean {
    const dense = denseLayout(whole);
    const { offset, batchStride, rowStride } = this.layout;
    return (
      sameShape(this.shape, whole) && offset === 0 && batchStride === dense.batchStride && rowStride === dense.rowStride
    );
  }

  /** One sample of the batch. */
  sample(index: number): Tensor {
    checkRange('samples', index, index + 1, this.batch, this.shape);
    const { offset, batchStride, rowStride } = this.layout;
    return this.view([dim('1', 1), this.rows, this.columns], {
      offset: offset + index * batchStride,
      batchStride,
      rowStride,
    });
  }

  /** Rows [start, end), for example what stands behind the class token. */
  sliceRows(start: number, end: number, name = this.rows.name): Tensor {
    checkRange('rows', start, end, this.rows, this.shape);
    const { offset, batchStride, rowStride } = this.layout;
    return this.view([this.batch, dim(name, end - start), this.columns], {
      offset: offset + start * rowStride,
      batchStride,
      rowStride,
    });
  }

  /** Columns [start, end), for example the queries of a joint q, k, v projection. */
  sliceColumns(start: number, end: number, name = this.columns.name): Tensor {
    checkRange('columns', start, end, this.columns, this.shape);
    const { offset, batchStride, rowStride } = this.layout;
    return this.view([this.batch, this.rows, dim(name, end - start)], {
      offset: offset + start,
      batchStride,
      rowStride,
    });
  }

  /** The rows of the one sample this holds, as those of `samples` that follow each other. */
  splitRows(samples: Dim, name = this.rows.name): Tensor {
    if (this.batch.size !== 1 || this.rows.size % samples.size !== 0) {
      const what = `one sample whose rows are shared out among ${samples.size}`;
      throw expectedButFound('ERR_SHAPE', what, 'splitRows', formatShape(this.shape));
    }
    const { offset, rowStride } = this.layout;
    const rows = this.rows.size / samples.size;
    return this.view([samples, dim(name, rows), this.columns], { offset, batchStride: rows * rowStride, rowStride });
  }

  /** The rows of all samples, which follow each other, as those of one. */
  mergeSamples(name: string): Tensor {
    const { offset, batchStride, rowStride } = this.layout;
    const rows = this.batch.size * this.rows.size;
    if (this.batch.size > 1 && batchStride !== this.rows.size * rowStride) {
      throw expectedButFound('ERR_SHAPE', 'samples that follow each other', 'mergeSamples', formatShape(this.shape));
    }
    return this.view([dim('1', 1), dim(name, rows), this.columns], {
      offset,
      batchStride: rows * rowStride,
      rowStride,
    });
  }

  /** Whether its numbers follow each other. */
  get isDense(): boolean {
    const dense = denseLayout(this.shape);
    const { batchStride, rowStride } = this.layout;
    return rowStride === dense.rowStride && (batchStride === dense.batchStride || this.batch.size === 1);
  }

  /** The same numbers in the order in which they were written, in another shape. */
  reshape(shape: Shape): Tensor {
    const [before, after] = [sizes(this.shape), sizes(shape)].map((all) =>
      all.reduce((product, size) => product * size),
    );
    if (before !== after || !this.isDense) {
      const what = `${before} numbers that follow each other`;
      throw expectedButFound('ERR_SHAPE', what, 'reshape', `${formatShape(this.shape)} as ${formatShape(shape)}`);
    }
    return this.view(shape, { ...denseLayout(shape), offset: this.layout.offset });
  }

  /** The samples first, first + step, first + 2 step, ... */
  everySample(first: number, step: number): Tensor {
    checkRange('samples', first, first + 1, this.batch, this.shape);
    const { offset, batchStride, rowStride } = this.layout;
    const count = Math.ceil((this.batch.size - first) / step);
    return this.view([dim(this.batch.name, count), this.rows, this.columns], {
      offset: offset + first * batchStride,
      batchStride: step * batchStride,
      rowStride,
    });
  }

  /** The one sample this holds, for every sample of a batch. */
  broadcast(batch: Dim): Tensor {
    if (this.batch.size !== 1) {
      throw expectedButFound('ERR_SHAPE', 'one sample', 'broadcast', formatShape(this.shape));
    }
    return this.view([batch, this.rows, this.columns], { ...this.layout, batchStride: 0 });
  }

  /** Of a broadcast the one sample that it repeats, to compute with once; else this. */
  distinct(): Tensor {
    const repeats = this.batch.size > 1 && this.layout.batchStride === 0;
    return repeats ? this.view([dim('1', 1), this.rows, this.columns], this.layout) : this;
  }

  /** As the addon reads it. */
  describe(): ViewDescription {
    return { value: this.value, shape: sizes(this.shape), ...this.layout };
  }

  private view(shape: Shape, layout: Layout): Tensor {
    return new Tensor(this.owner, this.value, this.dtype, shape, layout);
  }
}

function denseLayout(shape: Shape): Layout {
  const [, rows, columns] = sizes(shape);
  return { offset: 0, batchStride: rows * columns, rowStride: columns };
}

function checkRange(what: string, start: number, end: number, whole: Dim, shape: Shape): void {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start < end && end <= whole.size)
    return;
  throw expectedButFound('ERR_SHAPE', `${what} within ${formatShape(shape)}`, 'a slice', `${start}..${end}`);
}
