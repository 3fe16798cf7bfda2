/** States: tensors on the device that plans change, and append_rows, the operation that does. */
import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceTensor, HostArray } from '../../lib/binding/native';
import { fromBf16, toBf16 } from '../support/bf16';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';
import { floats, integer, random } from '../support/random';

const addon = loadAddon();
const [B, N, C] = [2, 9, 19];

interface AppendOptions {
  rows?: number;
  from?: number;
  width?: number;
  dtype?: 'f32' | 'bf16';
}

/** A plan that appends `rows` rows to columns [from, from + C) of a state [B, N, width], and reads all of it back. */
function appendPlan({ rows = 2, from = 0, width = C, dtype = 'f32' }: AppendOptions = {}) {
  const plan = new PlanWriter('append');
  const x = plan.input([B, rows, C]);
  const position = plan.input([1, 1, B], 'i32');
  const cache = plan.state([B, N, width], dtype);
  const out = plan.output([B, N, width]);
  plan.op('append_rows', { x, position, cache: plan.columns(cache, from, C) }).op('copy', { x: cache, y: out });
  return plan.describe();
}

const devices: [string, () => Device][] = [
  ['reference', () => new addon.Device({ kind: 'reference' })],
  ...addon.cpuIsas().map((isa): [string, () => Device] => [isa, () => new addon.Device({ kind: 'cpu', isa })]),
];

for (const [name, open] of devices) {
  describe(`native: states on ${name}`, () => {
    let device: Device;
    before(() => {
      device = open();
    });
    after(() => device.close());

    for (const dtype of ['f32', 'bf16'] as const) {
      it(`keep what was appended, in ${dtype}`, async () => {
        const [width, from] = [C + 5, 3];
        const next = random(7);
        const wanted = floats(next, B * N * width);
        if (dtype === 'bf16') wanted.set(fromBf16(toBf16(wanted)));
        const array: HostArray = dtype === 'f32' ? wanted : toBf16(wanted);
        const cache = await device.write(array, { dtype, shape: [B, N, width] });
        for (const rows of [1, 2, N, 1]) {
          const plan = device.compile(appendPlan({ rows, from, width, dtype }), []);
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
          expect(found).to.deep.equal(wanted);
        }
        expect(fromState(await device.read(cache))).to.deep.equal(wanted);
      });
    }

    const fromState = (array: HostArray) => (array instanceof Uint16Array ? fromBf16(array) : array);
    const zeros = (): Promise<DeviceTensor> =>
      device.write(new Float32Array(B * N * C), { dtype: 'f32', shape: [B, N, C] });
    const x = new Float32Array(B * 2 * C);

    it('stay whole where a position is outside', async () => {
      const cache = await zeros();
      const plan = device.compile(appendPlan(), []);
      for (const position of [-1, N - 1, 2 ** 31 - 1]) {
        const run = device.run(plan, [x.slice().fill(1), Int32Array.of(0, position), cache]);
        await expectRejection(run, 'ERR_ARGUMENT', /^Expected 0 to 7 for position of append_rows op0, entry 1 but/);
      }
      expect(await device.read(cache)).to.deep.equal(new Float32Array(B * N * C));
    });

    it('are tensors of their own', async () => {
      const plan = device.compile(appendPlan({ rows: N }), []);
      const cache = await zeros();
      const position = new Int32Array(B);
      const array = device.run(plan, [new Float32Array(B * N * C), position, new Float32Array(B * N * C)]);
      await expectRejection(array, 'ERR_ARGUMENT', /^Expected a tensor on the device for state 2 of plan append/);
      const twice = device.run(plan, [cache, position, cache]);
      await expectRejection(twice, 'ERR_ARGUMENT', /^Expected a tensor of its own for state 2 .* that is input 0$/);
      const other = await device.write(new Float32Array(C), { dtype: 'f32', shape: [1, 1, C] });
      await expectRejection(
        device.run(plan, [new Float32Array(B * N * C), position, other]),
        'ERR_SHAPE',
        /^Expected \[2, 9, 19\]/,
      );
    });

    it('are what append_rows changes, and nothing else changes them', () => {
      const compile = (write: (plan: PlanWriter) => void) => () => {
        const plan = new PlanWriter('wrong');
        write(plan);
        return device.compile(plan.describe(), []);
      };
      const out = (plan: PlanWriter, from: number) => plan.op('copy', { x: from, y: plan.output([B, N, C]) });
      for (const kind of ['input', 'intermediate', 'output'] as const) {
        const wrong = compile((plan) => {
          const cache = plan[kind]([B, N, C]);
          const position = plan.input([1, 1, B], 'i32');
          plan.op('append_rows', { x: plan.input([B, 2, C]), position, cache });
          if (kind !== 'output') out(plan, cache);
        });
        expectThrow(
          wrong,
          'ERR_ARGUMENT',
          /^Expected a state behind cache for append_rows op0 but received value 0, an /,
        );
      }
      const written = compile((plan) => plan.op('copy', { x: plan.input([B, N, C]), y: plan.state([B, N, C]) }));
      expectThrow(written, 'ERR_ARGUMENT', /^Expected a writable value behind y .* value 1, a state$/);
      const tooMany = compile((plan) => {
        const [cache, rows] = [plan.state([B, 2, C]), plan.input([B, 3, C])];
        plan.op('append_rows', { x: rows, position: plan.input([1, 1, B], 'i32'), cache });
      });
      expectThrow(tooMany, 'ERR_SHAPE', /^Expected cache of at least 3 rows/);
      const floatPosition = compile((plan) => {
        const cache = plan.state([B, N, C]);
        plan.op('append_rows', { x: plan.input([B, 2, C]), position: plan.input([1, 1, B]), cache });
      });
      expectThrow(floatPosition, 'ERR_DTYPE', /^Expected position in i32/);
    });
  });
}

describe('native: lengths of attention', () => {
  let device: Device;
  before(() => {
    device = new addon.Device({ kind: 'cpu' });
  });
  after(() => device.close());

  for (const [causal, least] of [
    [false, 1],
    [true, 3],
  ] as const) {
    it(`are at least ${least}${causal ? ' where 3 queries end the keys' : ''}`, async () => {
      const plan = new PlanWriter('attention');
      const [q, k, v] = [plan.input([1, 3, 16]), plan.input([1, 8, 16]), plan.input([1, 8, 16])];
      const lengths = plan.input([1, 1, 1], 'i32');
      plan.op('attention', { q, k, v, lengths, out: plan.output([1, 3, 16]) }, {}, { heads: 1, causal });
      const compiled = device.compile(plan.describe(), []);
      const run = (length: number) =>
        device.run(compiled, [
          new Float32Array(3 * 16),
          new Float32Array(8 * 16),
          new Float32Array(8 * 16).fill(1),
          Int32Array.of(length),
        ]);
      for (const length of [least - 1, 9, -5]) {
        await expectRejection(
          run(length),
          'ERR_ARGUMENT',
          new RegExp(`^Expected ${least} to 8 for lengths of attention`),
        );
      }
      expect(await run(least)).to.deep.equal([new Float32Array(3 * 16).fill(1)]);
    });
  }
});
