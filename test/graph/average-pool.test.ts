import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Grid } from '../../lib/grid';
import { averagePool, compile, copy, dim, Graph } from '../../lib/graph';
import { expectThrow } from '../support/expect-error';

interface Pooling {
  grid: Grid;
  factor: number;
  width: number;
}

/** As torch.nn.AvgPool2d(factor) has it, of [rows, columns, C]. */
function pooled(x: Float32Array, { grid: { rows, columns }, factor, width }: Pooling): number[] {
  const out: number[] = [];
  for (let top = 0; top < rows; top += factor) {
    for (let left = 0; left < columns; left += factor) {
      for (let c = 0; c < width; c++) {
        let sum = 0;
        for (let dy = 0; dy < factor; dy++) {
          for (let dx = 0; dx < factor; dx++) sum += x[((top + dy) * columns + left + dx) * width + c]!;
        }
        out.push(Math.fround(sum / factor ** 2));
      }
    }
  }
  return out;
}

describe('average pool', () => {
  const input = (rows: number, columns: number, batch = 1) => {
    const g = Graph.create('test', { dtype: 'f32', stream: 'f32' });
    return { g, x: g.input('f32', [dim('B', batch), dim('M', rows), dim('C', columns)]) };
  };

  for (const kind of ['reference', 'cpu'] as const) {
    it(`takes the mean of squares of rows on ${kind}`, async () => {
      const device = new (loadAddon().Device)({ kind });
      for (const [rows, columns, factor, width, batch, before] of [
        [6, 6, 2, 5, 3, 0],
        [6, 6, 3, 1, 2, 0],
        [4, 4, 4, 7, 2, 0],
        [8, 8, 4, 72, 1, 0],
        [3, 3, 1, 4, 1, 0],
        [1, 1, 1, 1, 1, 0],
        [4, 10, 2, 5, 3, 0],
        [9, 3, 3, 8, 2, 0],
        // Behind a class token, or more.
        [4, 4, 2, 3, 3, 1],
        [2, 6, 2, 4, 1, 5],
      ] as const) {
        const { g, x } = input(before + rows * columns, width, batch);
        const grid = { rows, columns };
        const y = averagePool(g, before === 0 ? x : x.sliceRows(before, x.rows.size), grid, factor);
        expect(y.shape.map(({ size }) => size)).to.deep.equal([batch, (rows * columns) / factor ** 2, width]);
        g.output(y);
        const size = (before + rows * columns) * width;
        // Whole numbers: sums are exact, in whatever order, and a mean is rounded once.
        const numbers = Float32Array.from({ length: batch * size }, (_, i) => ((i * 7919) % 4001) - 2000);
        const [result] = await device.run(
          compile(g, device, () => {
            throw new Error('no weights');
          }),
          [numbers],
        );
        const samples = Array.from({ length: batch }, (_, b) =>
          numbers.subarray(b * size + before * width, (b + 1) * size),
        );
        const wanted = samples.flatMap((sample) => pooled(sample, { grid, factor, width }));
        expect([...(result as Float32Array)]).to.deep.equal(wanted);
      }
      await device.close();
    });
  }

  it('gives the dtype that is asked for, else the compute dtype', () => {
    const g = Graph.create('test', { dtype: 'bf16', stream: 'f32' });
    const x = g.input('f32', [dim('B', 2), dim('M', 16), dim('C', 8)]);
    const grid = { rows: 4, columns: 4 };
    expect(averagePool(g, x, grid, 4).dtype).to.equal('bf16');
    expect(averagePool(g, x, grid, 4, { dtype: 'f32' }).dtype).to.equal('f32');
    expect(averagePool(g, copy(g, x), grid, 2, { dtype: 'f32' }).dtype).to.equal('f32');
  });

  it('refuses what has no whole squares', () => {
    for (const [rows, columns, factor] of [
      [3, 4, 2],
      [4, 3, 2],
      [6, 6, 4],
      [6, 6, 12],
      [6, 6, 0],
    ] as const) {
      const { g, x } = input(rows * columns, 8);
      const message = new RegExp(`in squares of ${factor} x ${factor} for copy but received ${rows} x ${columns}`);
      expectThrow(() => averagePool(g, x, { rows, columns }, factor), 'ERR_ARGUMENT', message);
    }
    const g = Graph.create('test', { dtype: 'f32', stream: 'f32' });
    const bytes = g.input('u8', [dim('B', 1), dim('M', 16), dim('C', 8)]);
    expectThrow(
      () => averagePool(g, bytes, { rows: 4, columns: 4 }, 2),
      'ERR_DTYPE',
      /x in f32 or bf16 or f16 for copy/,
    );
  });
});
