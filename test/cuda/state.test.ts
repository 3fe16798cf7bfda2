/** append_rows on a GPU: the one operation that changes what outlives a plan, so that a replayed graph has to read where anew. */
import { expect } from 'chai';
import type { Device, HostArray } from '../../lib/binding/native';
import { fromBf16, toBf16 } from '../support/bf16';
import { openCuda } from '../support/cuda';
import { PlanWriter } from '../support/plan-writer';
import { floats, integer, random } from '../support/random';

const [B, N, C] = [2, 9, 24];

interface Append {
  rows: number;
  /** Columns [from, from + C) of a cache [B, N, width]. */
  from: number;
  width: number;
  dtype: 'f32' | 'bf16';
}

function appendPlan({ rows, from, width, dtype }: Append) {
  const plan = new PlanWriter('append');
  const x = plan.input([B, rows, C]);
  const position = plan.input([1, 1, B], 'i32');
  const cache = plan.state([B, N, width], dtype);
  const out = plan.output([B, N, width]);
  plan.op('append_rows', { x, position, cache: plan.columns(cache, from, C) }).op('copy', { x: cache, y: out });
  return plan.describe();
}

describe('CUDA: states', () => {
  let device: Device;
  before(() => {
    device = openCuda();
  });
  after(() => device.close());

  for (const dtype of ['f32', 'bf16'] as const) {
    for (const [from, width] of [
      [8, C + 16],
      [3, C + 5],
    ] as const) {
      it(`keep what is appended to columns from ${from} on, in ${dtype}, by plain launches and by graphs`, async () => {
        const next = random(7);
        const wanted = floats(next, B * N * width);
        if (dtype === 'bf16') wanted.set(fromBf16(toBf16(wanted)));
        const array: HostArray = dtype === 'f32' ? wanted : toBf16(wanted);
        const cache = await device.write(array, { dtype, shape: [B, N, width] });
        const before = device.statistics!.replayed;
        for (const rows of [1, 2, N]) {
          const plan = device.compile(appendPlan({ rows, from, width, dtype }), []);
          for (let run = 1; run <= 4; run += 1) {
            const x = floats(next, B * rows * C);
            const position = Int32Array.from({ length: B }, () => integer(next, 0, N - rows));
            const [found] = await device.run(plan, [x, position, cache]);
            const stored = dtype === 'f32' ? x : fromBf16(toBf16(x));
            for (let b = 0; b < B; b += 1) {
              for (let r = 0; r < rows; r += 1) {
                const row = stored.subarray((b * rows + r) * C, (b * rows + r + 1) * C);
                wanted.set(row, (b * N + position[b]! + r) * width + from);
              }
            }
            expect(found, `${rows} rows, run ${run}`).to.deep.equal(wanted);
          }
        }
        expect(device.statistics!.replayed).to.be.above(before);
      });
    }
  }
});
