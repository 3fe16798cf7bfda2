import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Grid } from '../../lib/grid';
import { compile, copy, dim, Graph, pixelShuffle } from '../../lib/graph';
import { expectThrow } from '../support/expect-error';

interface Shuffle {
  grid: Grid;
  factor: number;
  width: number;
}

/** As Idefics3's connector permutes axes: [rows, columns, C] -> [rows/f, columns/f, f, f, C]. */
function shuffled(x: Float32Array, { grid: { rows, columns }, factor, width }: Shuffle) {
  const out: number[] = [];
  const within = Array.from({ length: factor }, (_, i) => i);
  for (let top = 0; top < rows; top += factor) {
    for (let left = 0; left < columns; left += factor) {
      for (const dy of within) {
        for (const dx of within) {
          const row = (top + dy) * columns + left + dx;
          out.push(...x.subarray(row * width, (row + 1) * width));
        }
      }
    }
  }
  return out;
}

describe('pixel shuffle', () => {
  const input = (rows: number, columns: number, batch = 1) => {
    const g = Graph.create('test', { dtype: 'f32', stream: 'f32' });
    return { g, x: g.input('f32', [dim('B', batch), dim('M', rows), dim('C', columns)]) };
  };

  for (const kind of ['reference', 'cpu'] as const) {
    it(`puts squares of rows side by side on ${kind}`, async () => {
      const device = new (loadAddon().Device)({ kind });
      for (const [rows, columns, factor, width, batch, before] of [
        [6, 6, 2, 5, 3, 0],
        [6, 6, 3, 1, 2, 0],
        [4, 4, 4, 7, 2, 0],
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
        const y = pixelShuffle(g, before === 0 ? x : x.sliceRows(before, x.rows.size), grid, factor);
        const squares = (rows * columns) / factor ** 2;
        expect(y.shape.map(({ size }) => size)).to.deep.equal([batch, squares, factor ** 2 * width]);
        g.output(copy(g.scope('out'), y));
        const size = (before + rows * columns) * width;
        const numbers = Float32Array.from({ length: batch * size }, (_, i) => i + 1);
        const [result] = await device.run(
          compile(g, device, () => {
            throw new Error('no weights');
          }),
          [numbers],
        );
        const samples = Array.from({ length: batch }, (_, b) =>
          numbers.subarray(b * size + before * width, (b + 1) * size),
        );
        const wanted = samples.flatMap((sample) => shuffled(sample, { grid, factor, width }));
        expect([...(result as Float32Array)]).to.deep.equal(wanted);
      }
      await device.close();
    });
  }

  it('refuses what has no whole squares', () => {
    for (const [rows, columns, factor] of [
      [3, 4, 2],
      [4, 3, 2],
      [6, 6, 4],
      [6, 6, 12],
    ] as const) {
      const { g, x } = input(rows * columns, 8);
      const message = new RegExp(`in squares of ${factor} x ${factor} for copy but received ${rows} x ${columns}`);
      expectThrow(() => pixelShuffle(g, x, { rows, columns }, factor), 'ERR_ARGUMENT', message);
    }
    const { g, x: classed } = input(17, 8);
    const others = /x \[B=1, rows\*columns=16, C=8\] .*received \[B=1, M=17, C=8\]/;
    expectThrow(() => pixelShuffle(g, classed, { rows: 4, columns: 4 }, 2), 'ERR_SHAPE', others);
    const { x } = input(37, 8, 2);
    const message = /576 numbers that follow each other for reshape but received \[B=2, M=36/;
    expectThrow(() => x.sliceRows(1, 37).reshape([dim('B', 1), dim('M', 72), dim('C', 8)]), 'ERR_SHAPE', message);
  });
});
