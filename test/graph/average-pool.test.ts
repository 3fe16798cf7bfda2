import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import { averagePool, compile, copy, dim, Graph } from '../../lib/graph';
import { expectThrow } from '../support/expect-error';

interface Square {
  side: number;
  factor: number;
  columns: number;
}

/** As torch.nn.AvgPool2d(factor) has it, of [side, side, C]. */
function pooled(x: Float32Array, { side, factor, columns }: Square): number[] {
  const out: number[] = [];
  for (let top = 0; top < side; top += factor) {
    for (let left = 0; left < side; left += factor) {
      for (let c = 0; c < columns; c++) {
        let sum = 0;
        for (let dy = 0; dy < factor; dy++) {
          for (let dx = 0; dx < factor; dx++) sum += x[((top + dy) * side + left + dx) * columns + c]!;
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
      for (const [side, factor, columns, batch, before] of [
        [6, 2, 5, 3, 0],
        [6, 3, 1, 2, 0],
        [4, 4, 7, 2, 0],
        [8, 4, 72, 1, 0],
        [3, 1, 4, 1, 0],
        [1, 1, 1, 1, 0],
        // Behind a class token, or more.
        [4, 2, 3, 3, 1],
        [6, 2, 4, 1, 5],
      ] as const) {
        const { g, x } = input(before + side ** 2, columns, batch);
        const y = averagePool(g, before === 0 ? x : x.sliceRows(before, x.rows.size), factor);
        expect(y.shape.map(({ size }) => size)).to.deep.equal([batch, (side / factor) ** 2, columns]);
        g.output(y);
        const size = (before + side ** 2) * columns;
        // Whole numbers: sums are exact, in whatever order, and a mean is rounded once.
        const numbers = Float32Array.from({ length: batch * size }, (_, i) => ((i * 7919) % 4001) - 2000);
        const [result] = await device.run(
          compile(g, device, () => {
            throw new Error('no weights');
          }),
          [numbers],
        );
        const samples = Array.from({ length: batch }, (_, b) =>
          numbers.subarray(b * size + before * columns, (b + 1) * size),
        );
        const wanted = samples.flatMap((sample) => pooled(sample, { side, factor, columns }));
        expect([...(result as Float32Array)]).to.deep.equal(wanted);
      }
      await device.close();
    });
  }

  it('gives the dtype that is asked for, else the compute dtype', () => {
    const g = Graph.create('test', { dtype: 'bf16', stream: 'f32' });
    const x = g.input('f32', [dim('B', 2), dim('M', 16), dim('C', 8)]);
    expect(averagePool(g, x, 4).dtype).to.equal('bf16');
    expect(averagePool(g, x, 4, { dtype: 'f32' }).dtype).to.equal('f32');
    expect(averagePool(g, copy(g, x), 2, { dtype: 'f32' }).dtype).to.equal('f32');
  });

  it('refuses what has no whole squares', () => {
    for (const [rows, factor] of [
      [12, 2],
      [36, 4],
      [36, 12],
      [36, 0],
    ] as const) {
      const { g, x } = input(rows, 8);
      const message = new RegExp(`its side a multiple of ${factor}, for copy but received ${rows} rows`);
      expectThrow(() => averagePool(g, x, factor), 'ERR_ARGUMENT', message);
    }
    const g = Graph.create('test', { dtype: 'f32', stream: 'f32' });
    const bytes = g.input('u8', [dim('B', 1), dim('M', 16), dim('C', 8)]);
    expectThrow(() => averagePool(g, bytes, 2), 'ERR_DTYPE', /x in f32 or bf16 or f16 for copy/);
  });
});
