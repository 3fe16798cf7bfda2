/** Products in int8: the reference and every code path of the CPU give the bits of a model written apart from them. */
import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, MatrixDType, WeightRole } from '../../lib/binding/native';
import type { CaseOperation } from '../support/case-operands';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { int8Product } from '../support/int8-model';
import { runOperation } from '../support/op-runner';
import { floats, random } from '../support/random';

const addon = loadAddon();
const dense = { offset: 0, padding: 0 };

interface Product {
  x: Float32Array;
  weight: Float32Array;
  groups?: number;
  out: number;
  inner: number;
}

function linear({ x, weight, groups = 1, out, inner }: Product): CaseOperation {
  const rows = x.length / (groups * inner);
  return {
    op: 'linear',
    layout: dense,
    views: { x: { shape: [1, rows, groups * inner], data: x } },
    weights: { weight: { shape: [groups, out, inner], role: 'matrix', data: weight } },
    attributes: { activation: 'none', alpha: 1 },
    result: { name: 'y', shape: [1, rows, groups * out] },
  };
}

const model = ({ x, weight, groups = 1, out, inner }: Product) => int8Product(x, weight, groups, out, inner);

/** NaN has many bit patterns; every other number one. */
const bitsOf = (values: Float32Array): string[] =>
  Array.from(values, (value) => (Number.isNaN(value) ? 'NaN' : Object.is(value, -0) ? '0' : String(value)));

function noise(seed: number, rows: number, groups: number, inner: number, out: number): Product {
  const next = random(seed);
  return { x: floats(next, rows * groups * inner), weight: floats(next, groups * out * inner), groups, out, inner };
}

/** `x` with row `r` replaced by what `make` gives for each column. */
function withRow(product: Product, r: number, make: (i: number) => number): Product {
  const x = product.x.slice();
  for (let i = 0; i < product.inner; i += 1) x[r * product.inner + i] = make(i);
  return { ...product, x };
}

const devices = [
  { name: 'reference', options: { kind: 'reference' } as const },
  ...addon.cpuIsas().map((isa) => ({ name: `cpu ${isa}`, options: { kind: 'cpu', isa } as const })),
];

for (const { name, options } of devices) {
  describe(`native: int8 on ${name}`, () => {
    let device: Device;
    before(() => {
      device = new addon.Device(options);
    });
    after(() => device.close());

    const run = (product: Product) => runOperation(device, linear(product), { weights: 'int8' });

    // Tails of units, words, vectors, tiles and panels: 1..9 and what lies around 16, 32 and 64.
    for (const [rows, groups, inner, out] of [
      [1, 1, 1, 1],
      [3, 1, 2, 5],
      [15, 1, 3, 33],
      [2, 1, 4, 31],
      [29, 1, 5, 17],
      [7, 3, 7, 9],
      [5, 1, 63, 64],
      [17, 2, 65, 37],
      [14, 1, 130, 32],
      [6, 1, 255, 16],
      [31, 1, 1021, 7],
      [1, 1, 4099, 3],
    ] as const) {
      it(`gives the model's bits: ${rows} x ${groups} x ${inner} -> ${out}`, async () => {
        const product = noise(rows * inner + out, rows, groups, inner, out);
        expect(bitsOf(await run(product))).to.deep.equal(bitsOf(model(product)));
      });
    }

    const base = noise(3, 18, 1, 70, 35);
    const rows: [what: string, make: (i: number) => number][] = [
      ['zeros', () => 0],
      ['negative zeros', () => -0],
      ['one constant', () => 3],
      ['one negative constant', () => -3],
      ['above zero only', (i) => 1 + i],
      ['below zero only', (i) => -1 - i],
      ['one large outlier', (i) => (i === 41 ? 1e6 : Math.sin(i))],
      ['outliers of both signs', (i) => (i === 0 ? -300 : i === 69 ? 500 : Math.cos(i))],
      ['all of f32', (i) => (i % 2 === 0 ? 3.4e38 : -3.4e38)],
      ['halves between levels', (i) => (i === 0 ? 255 : i / 2)],
      ['range ends that both round up', (i) => (i === 0 ? 127.5 : i === 1 ? -127.5 : 0)],
      ['numbers below the smallest scale', (i) => i * 1e-42],
      ['the smallest scale', (i) => (i === 7 ? 255 * 2 ** -126 : 0)],
    ];
    for (const [what, make] of rows) {
      it(`gives the model's bits for a row of ${what}`, async () => {
        const product = withRow(base, 15, make);
        expect(bitsOf(await run(product))).to.deep.equal(bitsOf(model(product)));
      });
    }

    for (const value of [NaN, Infinity, -Infinity]) {
      for (const place of [0, 37, 69]) {
        it(`makes a row with ${value} at ${place} NaN, and no other`, async () => {
          const clean = await run(base);
          const spoilt = await run(withRow(base, 15, (i) => (i === place ? value : Math.sin(i))));
          const { out } = base;
          expect(Array.from(spoilt.subarray(15 * out, 16 * out)).every(Number.isNaN)).to.equal(true);
          for (const r of [0, 14, 16, 17]) {
            const row = (all: Float32Array) => bitsOf(all.subarray(r * out, (r + 1) * out));
            expect(row(spoilt), `row ${r}`).to.deep.equal(row(clean));
          }
        });
      }
    }

    it('quantises channels by themselves: zeros, an outlier, NaN, infinity, the smallest numbers', async () => {
      const { inner } = base;
      const weight = base.weight.slice();
      const fill = (o: number, make: (i: number) => number): void =>
        weight.subarray(o * inner, (o + 1) * inner).forEach((_, i, row) => (row[i] = make(i)));
      fill(0, () => 0);
      fill(1, (i) => (i === 3 ? 1e5 : Math.sin(i)));
      fill(2, (i) => (i === 69 ? NaN : 1));
      fill(33, (i) => (i === 0 ? -Infinity : 1));
      fill(34, (i) => i * 1e-42);
      const product = { ...base, weight };
      const y = await run(product);
      expect(bitsOf(y)).to.deep.equal(bitsOf(model(product)));
      const column = (o: number) => Array.from({ length: 18 }, (_, r) => y[r * 35 + o]!);
      expect(column(0).every((value) => value === 0)).to.equal(true);
      expect([...column(2), ...column(33)].every(Number.isNaN)).to.equal(true);
    });

    it('counts sums as long as they may be without overflow', async () => {
      const inner = 65_536;
      const x = new Float32Array(inner).fill(2);
      const weight = new Float32Array(2 * inner).fill(-1, 0, inner).fill(1, inner);
      const y = await run({ x, weight, out: 2, inner });
      // 255 * 127 * 65,536 levels; the scales make it 2 * 65,536 but for their own rounding.
      expect(Array.from(y, Math.sign)).to.deep.equal([-1, 1]);
      expect(relativeError(y, [-2 * inner, 2 * inner])).to.be.below(3e-7);
    });

    it('refuses longer sums, and int8 for what is no matrix of a linear map', async () => {
      const upload = (role: WeightRole, shape: [number, number, number]) =>
        device.upload([
          {
            source: new Float32Array(shape[0] * shape[1] * shape[2]),
            dtype: 'f32',
            shape,
            role,
            computeDtype: 'int8',
          },
        ]);
      await expectRejection(upload('matrix', [1, 1, 65_537]), 'ERR_UNSUPPORTED', /at most 65536 columns in int8/);
      await expectRejection(upload('table', [1, 4, 4]), 'ERR_DTYPE', /f32, bf16 or f16 to compute in .* int8/);
    });

    it('is near the product in f32', async () => {
      const product = noise(9, 40, 1, 768, 96);
      const error = relativeError(await run(product), await runOperation(device, linear(product)));
      // Two uniform roundings: about 1 / (127 sqrt 3) * sqrt 3 / 2 a side for uniform numbers.
      expect(error).to.be.within(1e-3, 1e-2);
    });
  });
}

describe('native: weights in int8', () => {
  const size = 1024;
  for (const isa of addon.cpuIsas()) {
    it(`take a byte an element and 8 a channel on ${isa}`, async () => {
      const device = new addon.Device({ kind: 'cpu', isa });
      const bytes = async (computeDtype: MatrixDType) => {
        const source = new Float32Array(size * size).fill(1);
        const [weight] = await device.upload([
          { source, dtype: 'f32', shape: [1, size, size], role: 'matrix', computeDtype },
        ]);
        expect(weight!.dtype).to.equal(computeDtype);
        return weight!.bytes;
      };
      expect(await bytes('int8')).to.equal(size * size + 8 * size);
      expect(await bytes('bf16')).to.equal(2 * size * size);
      await device.close();
    });
  }

  it('are quantised alike from f32, bf16 and f16', async () => {
    const device = new addon.Device({ kind: 'cpu' });
    const numbers = Float32Array.from({ length: 7 * 19 }, (_, i) => (((i * 37) % 65) - 32) / 32);
    const x = floats(random(4), 19);
    const sums = async (source: Float32Array | Uint16Array, dtype: 'f32' | 'bf16') => {
      const [weight] = await device.upload([
        { source, dtype, shape: [1, 7, 19], role: 'matrix', computeDtype: 'int8' },
      ]);
      const { PlanWriter } = await import('../support/plan-writer.js');
      const plan = new PlanWriter();
      plan.op('linear', { x: plan.input([1, 1, 19]), y: plan.output([1, 1, 7]) }, { weight: 0 });
      const [y] = await device.run(device.compile(plan.describe(), [weight!]), [x]);
      return Array.from(y as Float32Array);
    };
    const bf16 = Uint16Array.from(new Uint32Array(numbers.buffer), (word) => word >>> 16);
    expect(await sums(bf16, 'bf16')).to.deep.equal(await sums(numbers, 'f32'));
    await device.close();
  });
});
