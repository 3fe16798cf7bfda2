import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceTensor, Plan, PlanDescription, Samples, Weight } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';
import { slowElements, slowPlan } from '../support/slow-plan';

const addon = loadAddon();
const open = (): Device => new addon.Device({ kind: 'reference' });

/** W = [[1, 2, 3], [4, 5, 6]]. */
async function smallWeight(device: Device): Promise<Weight> {
  const [weight] = await device.upload([
    { source: Float32Array.of(1, 2, 3, 4, 5, 6), dtype: 'f32', shape: [1, 2, 3], role: 'matrix', computeDtype: 'f32' },
  ]);
  return weight!;
}

/** y = x W^T, and x again. */
function smallDescription(): PlanDescription {
  const plan = new PlanWriter('small');
  const x = plan.input([1, 2, 3]);
  plan.op('linear', { x, y: plan.output([1, 2, 2]) }, { weight: 0 }).op('copy', { x, y: plan.output([1, 2, 3]) });
  return plan.describe();
}

async function smallPlan(device: Device): Promise<Plan> {
  return device.compile(smallDescription(), [await smallWeight(device)]);
}

const x = Float32Array.of(1, 1, 1, 0, 1, 0);
const product = [6, 15, 2, 5];

describe('native: devices', () => {
  it('says what it is', async () => {
    const device = open();
    expect(device.info).to.deep.equal({
      kind: 'reference',
      name: 'reference',
      isa: '',
      threads: 1,
      dtypes: ['f32', 'bf16', 'f16', 'int8'],
    });
    expect(Object.isFrozen(device.info)).to.equal(true);
    await device.close();
  });

  it('runs a plan and hands out arrays of its own', async () => {
    const device = open();
    const plan = await smallPlan(device);
    const input = x.slice();
    const pending = device.run(plan, [input]);
    input.fill(NaN); // copied already
    const [y, same] = (await pending) as Float32Array[];
    expect(Array.from(y!)).to.deep.equal(product);
    expect(Array.from(same!)).to.deep.equal(Array.from(x));
    expect(same!.buffer).not.to.equal(input.buffer);
    await device.close();
  });

  it('keeps arrays that are written to it, and has no statistics where plans are not recorded', async () => {
    const device = open();
    const plan = await smallPlan(device);
    const written = await device.write(x, { dtype: 'f32', shape: [1, 2, 3] });
    expect([written.dtype, written.shape, written.bytes]).to.deep.equal(['f32', [1, 2, 3], 24]);
    expect(device.memory.tensorBytes).to.equal(24);
    expect(await device.read(written)).to.deep.equal(x);
    expect(Array.from((await device.run(plan, [written]))[0] as Float32Array)).to.deep.equal(product);
    written.dispose();
    expect(device.memory.tensorBytes).to.equal(0);
    const bytes = Uint8Array.of(1, 2, 3);
    expect(await device.read(await device.write(bytes, { dtype: 'u8', shape: [3, 1, 1] }))).to.deep.equal(bytes);
    expect(device.statistics).to.equal(null);
    await device.close();
  });

  it('keeps results on the device, takes them as inputs and frees them', async () => {
    const device = open();
    const plan = await smallPlan(device);
    const [y, kept] = (await device.run(plan, [x], { results: ['array', 'tensor'] })) as [Float32Array, DeviceTensor];
    expect(Array.from(y)).to.deep.equal(product);
    expect([kept.dtype, kept.shape, kept.bytes]).to.deep.equal(['f32', [1, 2, 3], 24]);
    expect(device.memory.tensorBytes).to.equal(24);
    expect(Array.from((await device.read(kept)) as Float32Array)).to.deep.equal(Array.from(x));
    const [again] = (await device.run(plan, [kept])) as Float32Array[];
    expect(Array.from(again!)).to.deep.equal(product);

    // A run in flight keeps what it reads.
    const pending = device.run(plan, [kept]);
    kept.dispose();
    kept.dispose();
    expect(Array.from((await pending)[0] as Float32Array)).to.deep.equal(product);
    expect(device.memory.tensorBytes).to.equal(0);
    await expectRejection(device.run(plan, [kept]), 'ERR_ARGUMENT', /but received one that was disposed$/);
    await expectRejection(device.read(kept), 'ERR_ARGUMENT', /but received one that was disposed$/);
    await device.close();
  });

  it('brings results back in the forms asked for', async () => {
    const device = open();
    const writer = new PlanWriter('forms');
    const source = writer.input([3, 2, 2]);
    for (let i = 0; i < 3; i += 1) writer.op('copy', { x: source, y: writer.output([3, 2, 2]) });
    const plan = device.compile(writer.describe(), []);
    const values = Float32Array.of(0, 1, 2, 3, NaN, 5, 6, -Infinity, 8, 9, 10, Infinity);
    const results = await device.run(plan, [values], { results: ['samples', 'tensor', 'array'] });
    const [samples, tensor, array] = results as [Samples, DeviceTensor, Float32Array];
    expect(array).to.deep.equal(values);
    expect(await device.read(tensor)).to.deep.equal(values);
    expect(samples.arrays).to.deep.equal([0, 4, 8].map((from) => values.slice(from, from + 4)));
    expect(new Set(samples.arrays.map(({ buffer }) => buffer)).size).to.equal(3);
    expect(samples.nonFinite).to.deep.equal([-1, 0, 3]);
    await device.close();
  });

  it('frees weights and plans that are disposed, when nothing uses them any more', async () => {
    const device = open();
    const weight = await smallWeight(device);
    const plan = device.compile(smallDescription(), [weight]);
    weight.dispose();
    weight.dispose();
    expectThrow(
      () => device.compile(smallDescription(), [weight]),
      'ERR_ARGUMENT',
      /^Expected a Weight with contents for .* but received one that was disposed$/,
    );
    expect(device.memory.weightBytes).to.equal(24); // the plan's

    const pending = device.run(plan, [x]);
    plan.dispose();
    plan.dispose();
    expect(Array.from((await pending)[0] as Float32Array)).to.deep.equal(product);
    await expectRejection(
      device.run(plan, [x]),
      'ERR_ARGUMENT',
      /^Expected a Plan with contents for .* but received one that was disposed$/,
    );
    await new Promise(setImmediate); // the job that held the plan is gone
    expect(device.memory.weightBytes).to.equal(0);
    await device.close();
  });

  it('counts what it holds', async () => {
    const device = open();
    expect(device.memory).to.deep.equal({ weightBytes: 0, tensorBytes: 0, arenaBytes: 0 });
    const plan = await smallPlan(device);
    expect(device.memory).to.deep.equal({ weightBytes: 24, tensorBytes: 0, arenaBytes: 0 });
    await device.run(plan, [x]);
    // Input and two outputs, 64 bytes each; no intermediates.
    expect(device.memory.arenaBytes).to.equal(192);
    await device.close();
    expect(device.memory).to.deep.equal({ weightBytes: 0, tensorBytes: 0, arenaBytes: 0 });
  });

  it('runs concurrent calls one after another, each with its own data', async () => {
    const device = open();
    const plan = await smallPlan(device);
    const runs = Array.from({ length: 50 }, (_, i) => device.run(plan, [x.map((value) => value * i)]));
    const results = await Promise.all(runs);
    results.forEach(([y], i) => expect(Array.from(y as Float32Array)).to.deep.equal(product.map((value) => value * i)));
    await device.close();
  });

  it('leaves the event loop free while it computes', async () => {
    const device = open();
    const pending = device.run(await slowPlan(device, 20), [new Float32Array(slowElements)]);
    let done = false;
    void pending.then(() => (done = true));
    let turns = 0;
    while (!done) {
      await sleep(1);
      turns += 1;
    }
    expect(turns).to.be.greaterThan(2);
    await device.close();
  });

  it('packs bf16 and f16 as asked and rounds to nearest even', async () => {
    const device = open();
    const rows = (source: Float32Array | Uint16Array, dtype: 'f32' | 'bf16' | 'f16', computeDtype: 'f32' | 'bf16') => ({
      source,
      dtype,
      shape: [1, 1, source.length] as [number, number, number],
      role: 'table' as const,
      computeDtype,
    });
    // 1 + 2^-8 and 1 + 3 * 2^-8 lie between two bf16: ties go to the even one.
    const f32 = Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, 1 + 2 ** -7, Infinity, -0);
    // f16: 1, smallest subnormal, largest, -2, infinity
    const f16 = Uint16Array.of(0x3c00, 0x0001, 0x7bff, 0xc000, 0x7c00);
    const bf16 = Uint16Array.of(0x3f80, 0x0001, 0x7f7f, 0xc000, 0xff80);
    const tables = await device.upload([rows(f32, 'f32', 'bf16'), rows(f16, 'f16', 'f32'), rows(bf16, 'bf16', 'f32')]);
    const wanted = [
      [1, 1 + 4 * 2 ** -8, 1 + 2 ** -7, Infinity, -0],
      [1, 2 ** -24, 65504, -2, Infinity],
      [1, 2 ** -133, (2 - 2 ** -7) * 2 ** 127, -2, -Infinity],
    ];
    for (const [i, table] of tables.entries()) {
      const plan = new PlanWriter('table');
      const index = plan.input([1, 1, 1], 'i32');
      plan.op('gather_rows', { index, out: plan.output([1, 1, 5]) }, { table: 0 });
      const [row] = await device.run(device.compile(plan.describe(), [table]), [Int32Array.of(0)]);
      expect(Array.from(row as Float32Array)).to.deep.equal(wanted[i]);
    }
    await device.close();
  });

  describe('abort', () => {
    it('ends a waiting run and a running one', async () => {
      const device = open();
      const plan = await slowPlan(device);
      const inputs = [new Float32Array(slowElements)];
      const [first, second] = [new addon.AbortFlag(), new addon.AbortFlag()];
      const running = device.run(plan, inputs, { abort: first });
      const waiting = device.run(plan, inputs, { abort: second });
      second.abort();
      await sleep(30);
      first.abort();
      await expectRejection(running, 'ERR_ABORTED', /received a request to abort$/);
      await expectRejection(
        waiting,
        'ERR_ABORTED',
        'Expected completion for plan slow but received a request to abort',
      );
      await device.close();
    });

    it('ends an upload and leaves the device usable', async () => {
      const device = open();
      const abort = new addon.AbortFlag();
      abort.abort();
      abort.abort();
      const upload = device.upload(
        [{ source: x, dtype: 'f32', shape: [1, 2, 3], role: 'matrix', computeDtype: 'f32' }],
        abort,
      );
      await expectRejection(upload, 'ERR_ABORTED', /^Expected completion for Device.upload/);
      const [y] = await device.run(await smallPlan(device), [x]);
      expect(Array.from(y as Float32Array)).to.deep.equal(product);
      await device.close();
    });
  });

  describe('close', () => {
    it('ends queued and running work, answers every call and is idempotent', async () => {
      const device = open();
      const plan = await slowPlan(device);
      const runs = Array.from({ length: 5 }, () => device.run(plan, [new Float32Array(slowElements)]));
      await sleep(30);
      const closing = [device.close(), device.close()];
      for (const run of runs) await expectRejection(run, 'ERR_ABORTED', /received the closing of the device$/);
      await Promise.all(closing);
      await device.close();
      expect(device.memory).to.deep.equal({ weightBytes: 0, tensorBytes: 0, arenaBytes: 0 });
    });

    it('refuses what comes after it', async () => {
      const device = open();
      const plan = await smallPlan(device);
      const [kept] = (await device.run(plan, [x], { results: ['tensor', 'array'] })) as [DeviceTensor];
      const closing = device.close();
      const wanted = /^Expected an open device for Device\.\w+ but received a closed one$/;
      for (const when of ['while closing', 'closed']) {
        await expectRejection(device.run(plan, [x]), 'ERR_ARGUMENT', wanted);
        await expectRejection(device.upload([]), 'ERR_ARGUMENT', wanted);
        await expectRejection(device.read(kept), 'ERR_ARGUMENT', wanted);
        expect(() => device.compile(new PlanWriter().describe(), []), when).to.throw(wanted);
        await closing;
      }
      kept.dispose();
    });

    it('of one device leaves the others alone', async () => {
      const [a, b] = [open(), open()];
      const [planA, planB] = [await slowPlan(a), await smallPlan(b)];
      const flag = new addon.AbortFlag();
      const refused = expectRejection(a.run(planA, [new Float32Array(slowElements)], { abort: flag }), 'ERR_ABORTED');
      const other = b.run(planB, [x], { abort: flag });
      await a.close();
      await refused;
      expect(Array.from((await other)[0] as Float32Array)).to.deep.equal(product);
      await b.close();
    });

    it('refuses handles of another device', async () => {
      const [a, b] = [open(), open()];
      const plan = await smallPlan(a);
      const [kept] = (await a.run(plan, [x], { results: ['tensor', 'array'] })) as [DeviceTensor];
      await expectRejection(
        b.run(plan, [x]),
        'ERR_ARGUMENT',
        'Expected a Plan of this device for plan of Device.run but received one of another',
      );
      await expectRejection(b.read(kept), 'ERR_ARGUMENT', /^Expected a DeviceTensor of this device/);
      await expectRejection(
        b.run(await smallPlan(b), [kept]),
        'ERR_ARGUMENT',
        /^Expected a DeviceTensor of this device/,
      );
      await Promise.all([a.close(), b.close()]);
    });
  });
});
