/** Runs that overlap: the next is begun while one is computed or its results are copied. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Device, DeviceTensor, HostArray, Plan, Samples } from '../../lib/binding/native';
import { emulated, openCuda, withEmulation } from '../support/cuda';
import { expectRejection } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';
import { floats, random } from '../support/random';
import { slowElements, slowPlan } from '../support/slow-plan';

/** On the emulation: with work that is done no sooner than somebody waits for it. */
const openLate = (settings = 'late=1', ordinal = 0): Promise<Device> =>
  withEmulation(settings, async () => {
    const device = openCuda({ ordinal });
    const written = await device.write(Float32Array.of(0), { dtype: 'f32', shape: [1, 1, 1] }); // makes the stream
    written.dispose();
    return device;
  });

const width = 64;

/** y = a layer norm of x, [samples, rows, 64], with an intermediate between them. */
function plan(device: Device, samples: number, rows: number): Plan {
  const writer = new PlanWriter(`${samples} of ${rows}`);
  const shape: [number, number, number] = [samples, rows, width];
  const [x, between] = [writer.input(shape), writer.intermediate(shape)];
  writer.op('copy', { x, y: between });
  writer.op('layer_norm', { x: between, y: writer.output(shape) }, {}, { eps: 1e-5 });
  return device.compile(writer.describe(), []);
}

describe('CUDA: runs that overlap', () => {
  it('give the bits of runs apart, whatever their sizes, and are answered in their order', async () => {
    const device = await openLate();
    // More than pinned memory holds at once among them, and arenas that grow and do not.
    const plans = [plan(device, 3, 5), plan(device, 2, 9000), plan(device, 1, 40), plan(device, 7, 3000)];
    const rows = [3 * 5, 2 * 9000, 40, 7 * 3000];
    const inputs = Array.from({ length: 24 }, (_, i) => {
      const which = (i + Math.floor(i / 5)) % plans.length;
      return { compiled: plans[which]!, x: floats(random(i + 1), rows[which]! * width) };
    });
    const apart: HostArray[] = [];
    for (const { compiled, x } of inputs) apart.push((await device.run(compiled, [x]))[0] as HostArray);
    const order: number[] = [];
    const together = await Promise.all(
      inputs.map(async ({ compiled, x }, i) => {
        const [y] = (await device.run(compiled, [x])) as HostArray[];
        order.push(i);
        return y;
      }),
    );
    together.forEach((y, i) => expect(y, `run ${i}`).to.deep.equal(apart[i]));
    expect(order).to.deep.equal(inputs.map((_, i) => i));
    await device.close();
  });

  it('pass tensors on to each other, and free those that are let go of meanwhile', async () => {
    const device = await openLate();
    const compiled = plan(device, 2, 100);
    const inputs = Array.from({ length: 6 }, (_, i) => floats(random(i + 1), 2 * 100 * width));
    const chain = async (x: Float32Array, pause: boolean): Promise<HostArray> => {
      let tensor: DeviceTensor | undefined;
      for (let i = 0; i < 5; i += 1) {
        const next = device.run(compiled, [tensor ?? x], { results: ['tensor'] });
        tensor?.dispose(); // the run keeps it
        if (pause) await sleep(1);
        [tensor] = (await next) as DeviceTensor[];
      }
      const read = device.read(tensor!);
      tensor!.dispose();
      return read;
    };
    const apart: HostArray[] = [];
    for (const x of inputs) apart.push(await chain(x, false));
    expect(await Promise.all(inputs.map((x, i) => chain(x, i % 2 === 1)))).to.deep.equal(apart);
    expect(device.memory.tensorBytes).to.equal(0);
    await device.close();
  });

  it('bring samples back apart, with the place of their first number that is none', async () => {
    const device = await openLate();
    const rows = 7001; // 1.8 MB a sample: pieces of pinned memory begin amid them
    const writer = new PlanWriter('samples');
    const x = writer.input([5, rows, width]);
    writer.op('copy', { x, y: writer.output([5, rows, width]) });
    const compiled = device.compile(writer.describe(), []);
    const size = rows * width;
    const values = floats(random(1), 5 * size);
    for (const [sample, at, value] of [
      [1, 0, NaN],
      [2, size - 1, Infinity],
      [2, size - 2, -Infinity],
      [4, 300_000, NaN],
      [4, 300_001, NaN],
    ] as const)
      values[sample * size + at] = value;
    const runs = Array.from({ length: 3 }, () => device.run(compiled, [values], { results: ['samples'] }));
    for (const [result] of await Promise.all(runs)) {
      const { arrays, nonFinite } = result as Samples;
      expect(nonFinite).to.deep.equal([-1, 0, size - 2, -1, 300_000]);
      arrays.forEach((array, i) => {
        expect(array.buffer.byteLength, `sample ${i}`).to.equal(size * 4);
        expect(array, `sample ${i}`).to.deep.equal(values.slice(i * size, (i + 1) * size));
      });
    }
    await device.close();
  });

  it('need no more memory for results than two runs, one where none overlap', async () => {
    const device = await openLate();
    const compiled = plan(device, 4, 1000);
    const x = floats(random(1), 4 * 1000 * width);
    for (let i = 0; i < 3; i += 1) await device.run(compiled, [x]);
    const one = device.memory.arenaBytes;
    await Promise.all(Array.from({ length: 20 }, () => device.run(compiled, [x])));
    expect(device.memory.arenaBytes).to.be.within(one, one + x.byteLength);
    await device.close();
  });

  it('that are many are ended by closing the device, each with a result or ERR_ABORTED', async () => {
    const device = await openLate();
    const compiled = plan(device, 4, 1000);
    const x = floats(random(1), 4 * 1000 * width);
    const [wanted] = (await device.run(compiled, [x])) as HostArray[];
    const runs = Array.from({ length: 30 }, () => device.run(compiled, [x]));
    const told = Promise.allSettled(runs);
    await runs[2];
    await device.close();
    const ends = await told;
    for (const [i, end] of ends.entries()) {
      if (end.status === 'fulfilled') expect(end.value[0], `run ${i}`).to.deep.equal(wanted);
      else await expectRejection(runs[i]!, 'ERR_ABORTED', /the closing of the device/);
    }
    expect(device.memory).to.deep.equal({ weightBytes: 0, tensorBytes: 0, arenaBytes: 0 });
  });

  if (!emulated) return;

  it('are begun before the one before has ended, and no more than two at a time', async () => {
    const device = await openLate();
    const [slow, quick] = [await slowPlan(device, 400), plan(device, 1, 3)];
    const x = new Float32Array(3 * width);
    let ended = false;
    const first = device.run(slow, [new Float32Array(slowElements)]).then(() => (ended = true));
    const others = Array.from({ length: 8 }, () => device.run(quick, [x]));
    while (device.statistics!.launched < 2) await sleep(1);
    await sleep(5);
    expect(ended).to.equal(false);
    expect(device.statistics).to.include({ launched: 2, recorded: 0, replayed: 0 });
    await Promise.all([first, ...others]);
    const { launched, replayed } = device.statistics!;
    expect(launched + replayed).to.equal(9);
    await device.close();
  });

  it('have results of their own until these are copied, however long that takes', async () => {
    const opened = openCuda();
    const compiled = plan(opened, 1, 40);
    const inputs = Array.from({ length: 5 }, (_, i) => floats(random(i + 1), 40 * width));
    const run = async (x: Float32Array): Promise<HostArray> => (await opened.run(compiled, [x]))[0] as HostArray;
    // Streams, which are made by the first run, keep what they were made with.
    await withEmulation('slow=40', () => run(inputs[0]!));
    const apart: HostArray[] = [];
    for (const x of inputs) apart.push(await run(x));
    expect(await Promise.all(inputs.map(run))).to.deep.equal(apart);
    await opened.close();
  });

  it('all answer ERR_DEVICE where the GPU is lost under them', async () => {
    const device = await openLate('devices=6 late=1 fault=30', 5);
    const compiled = plan(device, 2, 300);
    const x = floats(random(1), 2 * 300 * width);
    const runs = Array.from({ length: 40 }, () => device.run(compiled, [x]));
    const ends = await Promise.allSettled(runs);
    const lost = ends.findIndex(({ status }) => status === 'rejected');
    expect(lost).to.be.within(0, 20);
    for (const run of runs.slice(lost)) await expectRejection(run, 'ERR_DEVICE', /cudaErrorIllegalAddress/);
    await device.close();
  });
});
