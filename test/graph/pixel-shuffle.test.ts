import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import { compile, copy, dim, Graph, pixelShuffle } from '../../lib/graph';
import { expectThrow } from '../support/expect-error';

/** As Idefics3's connector permutes axes: [side, side, C] -> [side/f, side/f, f, f, C]. */
function shuffled(x: Float32Array, { side, factor, columns }: { side: number; factor: number; columns: number }) {
  const out: number[] = [];
  const cells = Array.from({ length: side / factor }, (_, i) => i * factor);
  const within = Array.from({ length: factor }, (_, i) => i);
  for (const top of cells) {
    for (const left of cells) {
      for (const dy of within) {
        for (const dx of within) {
          const row = (top + dy) * side + left + dx;
          out.push(...x.subarray(row * columns, (row + 1) * columns));
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
      for (const [side, factor, columns, batch, before] of [
        [6, 2, 5, 3, 0],
        [6, 3, 1, 2, 0],
        [4, 4, 7, 2, 0],
        [3, 1, 4, 1, 0],
        [1, 1, 1, 1, 0],
        // Behind a class token, or more.
        [4, 2, 3, 3, 1],
        [6, 2, 4, 1, 5],
      ] as const) {
        const { g, x } = input(before + side ** 2, columns, batch);
        const y = pixelShuffle(g, before === 0 ? x : x.sliceRows(before, x.rows.size), factor);
        expect(y.shape.map(({ size }) => size)).to.deep.equal([batch, (side / factor) ** 2, factor ** 2 * columns]);
        g.output(copy(g.scope('out'), y));
        const size = (before + side ** 2) * columns;
        const numbers = Float32Array.from({ length: batch * size }, (_, i) => i + 1);
        const [result] = await device.run(
          compile(g, device, () => {
            throw new Error('no weights');
          }),
          [numbers],
        );
        const samples = Array.from({ length: batch }, (_, b) =>
          numbers.subarray(b * size + before * columns, (b + 1) * size),
        );
        const wanted = samples.flatMap((sample) => shuffled(sample, { side, factor, columns }));
        expect([...(result as Float32Array)]).to.deep.equal(wanted);
      }
      await device.close();
    });
  }

  it('refuses what has no whole squares', () => {
    for (const [rows, factor] of [
      [12, 2],
      [36, 4],
      [36, 12],
    ] as const) {
      const { g, x } = input(rows, 8);
      const message = new RegExp(`its side a multiple of ${factor}, for copy but received ${rows} rows`);
      expectThrow(() => pixelShuffle(g, x, factor), 'ERR_ARGUMENT', message);
    }
    const { x } = input(37, 8, 2);
    const message = /576 numbers that follow each other for reshape but received \[B=2, M=36/;
    expectThrow(() => x.sliceRows(1, 37).reshape([dim('B', 1), dim('M', 72), dim('C', 8)]), 'ERR_SHAPE', message);
  });
});
