import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, Plan } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter, type Shape } from '../support/plan-writer';
import { floats, random } from '../support/random';
import { randomPlan } from '../support/random-plan';

/** Bytes as the arena counts them. */
const aligned = (elements: number): number => Math.ceil((elements * 4) / 64) * 64;

describe('native: the arena of a plan', () => {
  let device: Device;
  before(() => {
    device = new (loadAddon().Device)({ kind: 'reference' });
  });
  after(() => device.close());

  const compile = (writer: PlanWriter): Plan => device.compile(writer.describe(), []);

  it('never lets two live values share bytes (random plans, checked by what they compute)', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const { plan, data, contents, outputs } = randomPlan(seed);
      const results = await device.run(compile(plan), [data]);
      results.forEach((result, i) => {
        expect(Array.from(result as Float32Array), `seed ${seed}, output ${i}`).to.deep.equal(
          Array.from(contents.get(outputs[i]!)!),
        );
      });
    }
  });

  it('is never larger than all values side by side and never smaller than what is alive at once', () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const { plan, made, born, lastRead } = randomPlan(seed);
      const bytes = (value: number): number => aligned(plan.values[value]!.shape.reduce((a, b) => a * b));
      const naive = made.reduce((sum, value) => sum + bytes(value), 0);
      const alive = plan.ops.map((_, at) =>
        made.reduce((sum, value) => sum + (born.get(value)! <= at && at <= lastRead.get(value)! ? bytes(value) : 0), 0),
      );
      const { arenaBytes } = compile(plan);
      expect(arenaBytes, `seed ${seed}`).to.be.at.most(naive);
      expect(arenaBytes, `seed ${seed}`).to.be.at.least(Math.max(...alive));
    }
  });

  it('needs for a deep encoder only what one of its layers needs', async () => {
    const [rows, width, hidden] = [20, 32, 128];
    const plan = new PlanWriter('encoder');
    const x = plan.input([1, rows, width]);
    let stream = plan.intermediate([1, rows, width]);
    plan.op('copy', { x, y: stream });
    for (let layer = 0; layer < 24; layer += 1) {
      const normal = plan.intermediate([1, rows, width]);
      const qkv = plan.intermediate([1, rows, 3 * width]);
      const attended = plan.intermediate([1, rows, width]);
      const afterAttention = plan.intermediate([1, rows, width]);
      const again = plan.intermediate([1, rows, width]);
      const mlp = plan.intermediate([1, rows, hidden]);
      const after = plan.intermediate([1, rows, width]);
      const [q, k, v] = [0, 1, 2].map((i) => plan.columns(qkv, i * width, width));
      plan
        .op('layer_norm', { x: stream, y: normal })
        .op('linear', { x: normal, y: qkv }, { weight: 0 })
        .op('concat_attention', { q: q!, k: k!, v: v!, out: attended }, {}, { heads: 2 })
        .op('linear', { x: attended, residual: stream, y: afterAttention }, { weight: 1 })
        .op('layer_norm', { x: afterAttention, y: again })
        .op('linear', { x: again, y: mlp }, { weight: 2 })
        .op('linear', { x: mlp, residual: afterAttention, y: after }, { weight: 3 });
      stream = after;
    }
    plan.op('copy', { x: stream, y: plan.output([1, rows, width]) });
    const matrix = (out: number, input: number) => ({
      source: new Float32Array(out * input),
      dtype: 'f32' as const,
      shape: [1, out, input] as Shape,
      role: 'matrix' as const,
      computeDtype: 'f32' as const,
    });
    const weights = await device.upload([
      matrix(3 * width, width),
      matrix(width, width),
      matrix(hidden, width),
      matrix(width, hidden),
    ]);
    const { arenaBytes } = device.compile(plan.describe(), weights);
    // The widest moment: stream or its successor twice, and the MLP's hidden rows.
    expect(arenaBytes).to.equal(4 * rows * (2 * width + hidden));
  });

  it('gives a value that nobody reads a place of its own', async () => {
    const plan = new PlanWriter('unread');
    const x = plan.input([1, 1, 64]);
    const kept = plan.intermediate([1, 1, 64]);
    const unread = plan.intermediate([4, 1, 64]);
    plan.op('copy', { x, y: kept });
    plan.op('copy', { x: { ...plan.whole(x), shape: [4, 1, 64], batchStride: 0 }, y: unread });
    plan.op('copy', { x: kept, y: plan.output([1, 1, 64]) });
    const compiled = compile(plan);
    expect(compiled.arenaBytes).to.equal(5 * 256);
    const data = floats(random(1), 64);
    expect(Array.from((await device.run(compiled, [data]))[0] as Float32Array)).to.deep.equal(Array.from(data));
  });

  it('gives an unused value no place', () => {
    const plan = new PlanWriter();
    const x = plan.input([1, 1, 8]);
    plan.intermediate([1, 1000, 1000]);
    plan.op('copy', { x, y: plan.output([1, 1, 8]) });
    expect(compile(plan).arenaBytes).to.equal(0);
  });

  it('answers ERR_OUT_OF_MEMORY to a plan that claims 2^50 bytes', async () => {
    const plan = new PlanWriter('huge');
    const x = plan.input([1, 1, 16]);
    const huge = plan.intermediate([2 ** 44, 1, 16]);
    const broadcast = { value: x, offset: 0, shape: [2 ** 44, 1, 16] as Shape, batchStride: 0, rowStride: 16 };
    plan.op('copy', { x: broadcast, y: huge });
    plan.op('copy', { x: { ...plan.whole(huge), shape: [1, 1, 16] as Shape }, y: plan.output([1, 1, 16]) });
    const compiled = compile(plan);
    expect(compiled.arenaBytes).to.equal(2 ** 50);
    await expectRejection(device.run(compiled, [new Float32Array(16)]), 'ERR_OUT_OF_MEMORY');
  });

  it('answers ERR_OUT_OF_MEMORY to a result that no array can hold', async () => {
    for (const batch of [2 ** 20, 2 ** 27, 2 ** 44]) {
      const plan = new PlanWriter('huge');
      const x = plan.input([1, 1, 4096]);
      const broadcast = { value: x, offset: 0, shape: [batch, 1, 4096] as Shape, batchStride: 0, rowStride: 4096 };
      plan.op('copy', { x: broadcast, y: plan.output([batch, 1, 4096]) });
      await expectRejection(device.run(compile(plan), [new Float32Array(4096)]), 'ERR_OUT_OF_MEMORY');
    }
  });

  it('answers ERR_OUT_OF_MEMORY to an arena whose size overflows', () => {
    const plan = new PlanWriter('overflowing');
    const x = plan.input([1, 1, 16]);
    const shape: Shape = [2 ** 50, 1, 1024];
    const broadcast = { value: x, offset: 0, shape: [2 ** 50, 64, 16] as Shape, batchStride: 0, rowStride: 0 };
    const values = [0, 1, 2, 3].map(() => plan.intermediate(shape));
    for (const y of values) {
      plan.op('copy', {
        x: broadcast,
        y: { value: y, offset: 0, shape: [2 ** 50, 64, 16], batchStride: 1024, rowStride: 16 },
      });
    }
    const sum = plan.output([1, 4, 1]);
    values.forEach((value, i) => {
      plan.op('copy', { x: { ...plan.whole(value), shape: [1, 1, 1] as Shape }, y: plan.rows(sum, i, 1) });
    });
    expectThrow(() => compile(plan), 'ERR_OUT_OF_MEMORY');
  });
});
