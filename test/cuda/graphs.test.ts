/** Plans replayed as CUDA graphs give what plain launches give, whatever addresses and numbers a run meets. */
import { expect } from 'chai';
import type { Device, DeviceTensor, HostArray, Plan } from '../../lib/binding/native';
import { toBf16 } from '../support/bf16';
import { emulated, openCuda, withEmulation } from '../support/cuda';
import { withVariable } from '../support/environment';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';
import { floats, random } from '../support/random';

const [rows, width] = [5, 64];

/** y = x W^T, z = layer norm of y, in f32 with an intermediate between. */
async function smallPlan(device: Device): Promise<Plan> {
  const source = floats(random(7), width * width);
  const [weight] = await device.upload([
    { source, dtype: 'f32', shape: [1, width, width], role: 'matrix', computeDtype: 'f32' },
  ]);
  const plan = new PlanWriter('small');
  const [x, y] = [plan.input([1, rows, width]), plan.intermediate([1, rows, width])];
  plan.op('linear', { x, y }, { weight: 0 }, { activation: 'quick_gelu' });
  plan.op('layer_norm', { x: y, y: plan.output([1, rows, width]) }, {}, { eps: 1e-5 });
  return device.compile(plan.describe(), [weight!]);
}

/** A device whose products add four parts of each sum, which lie in its workspace until then. */
const openSplitting = (): Promise<Device> => withVariable('QAVIT_CUDA_TILE', '3:4', openCuda);
const [inner, out] = [1024, 64];

/** Runs y = x W^T with sums of 1,024. */
async function splitProduct(device: Device, rows: number): Promise<() => Promise<HostArray>> {
  const next = random(rows);
  const source = floats(next, inner * out);
  const [weight] = await device.upload([
    { source, dtype: 'f32', shape: [1, out, inner], role: 'matrix', computeDtype: 'bf16' },
  ]);
  const plan = new PlanWriter('split');
  plan.op('linear', { x: plan.input([1, rows, inner], 'bf16'), y: plan.output([1, rows, out]) }, { weight: 0 });
  const compiled = device.compile(plan.describe(), [weight!]);
  const x = toBf16(floats(next, rows * inner));
  return async () => (await device.run(compiled, [x]))[0] as HostArray;
}

/** Makes room for inputs and results of so many numbers, so that later plans move nothing but the workspace. */
async function reserve(device: Device, elements: number): Promise<void> {
  const plan = new PlanWriter('reserve');
  plan.op('copy', { x: plan.input([1, 1, elements]), y: plan.output([1, 1, elements]) });
  await device.run(device.compile(plan.describe(), []), [new Float32Array(elements)]);
}

const inputOf = (seed: number): Float32Array => floats(random(seed), rows * width);

describe('CUDA: graphs', () => {
  let plain: Device;
  let plainPlan: Plan;
  before(async () => {
    plain = openCuda({ graphs: false });
    plainPlan = await smallPlan(plain);
  });
  after(() => plain.close());

  const wanted = async (seed: number): Promise<HostArray> =>
    (await plain.run(plainPlan, [inputOf(seed)]))[0] as HostArray;

  async function holdRuns(device: Device): Promise<void> {
    const plan = await smallPlan(device);
    for (let seed = 1; seed <= 5; seed += 1) {
      const [actual] = await device.run(plan, [inputOf(seed)]);
      expect(actual, `run ${seed}`).to.deep.equal(await wanted(seed));
    }
  }

  it('give the same bits with new numbers at the same addresses, recorded once and replayed from then on', async () => {
    const device = openCuda();
    expect(device.statistics).to.deep.equal({ launched: 0, recorded: 0, replayed: 0, milliseconds: 0 });
    await holdRuns(device);
    expect(device.statistics).to.deep.equal({ launched: 1, recorded: 1, replayed: 4, milliseconds: 0 });
    expect(plain.statistics).to.include({ recorded: 0, replayed: 0 });
    await device.close();
    expectThrow(() => device.statistics, 'ERR_ARGUMENT', /an open device/);
  });

  it('are timed by the GPU where that is asked for', async () => {
    const device = openCuda({ timing: true });
    let before = 0;
    const plan = await smallPlan(device);
    for (let run = 0; run < 4; run += 1) {
      await device.run(plan, [inputOf(run)]);
      const { milliseconds } = device.statistics!;
      expect(milliseconds, `run ${run}`)
        .to.be.above(before)
        .and.below(before + 10_000);
      before = milliseconds;
    }
    await device.close();
  });

  it('give the same bits when results stay on the device, at addresses that change and come back', async () => {
    const device = openCuda();
    const plan = await smallPlan(device);
    const kept: DeviceTensor[] = [];
    for (let seed = 1; seed <= 40; seed += 1) {
      const [tensor] = (await device.run(plan, [inputOf(seed)], { results: ['tensor'] })) as DeviceTensor[];
      expect(await device.read(tensor!), `run ${seed}`).to.deep.equal(await wanted(seed));
      kept.push(tensor!);
      if (kept.length > seed % 7) kept.shift()!.dispose();
    }
    for (const tensor of kept) tensor.dispose();
    await device.close();
  });

  it('are replayed when results stay on the device and are disposed of before the next run', async () => {
    const device = openCuda();
    const plan = await smallPlan(device);
    for (let seed = 1; seed <= 6; seed += 1) {
      const [tensor] = (await device.run(plan, [inputOf(seed)], { results: ['tensor'] })) as DeviceTensor[];
      expect(await device.read(tensor!), `run ${seed}`).to.deep.equal(await wanted(seed));
      tensor!.dispose();
    }
    expect(device.statistics).to.include({ launched: 1, recorded: 1, replayed: 5 });
    await device.close();
  });

  it('give the same bits when more inputs on the device take turns than are remembered', async () => {
    const device = openCuda();
    const plan = await smallPlan(device);
    const upload = new PlanWriter('upload');
    upload.op('copy', { x: upload.input([1, rows, width]), y: upload.output([1, rows, width]) });
    const uploadPlan = device.compile(upload.describe(), []);
    const tensors: DeviceTensor[] = [];
    for (let seed = 0; seed < 7; seed += 1) {
      tensors.push(...((await device.run(uploadPlan, [inputOf(seed)], { results: ['tensor'] })) as DeviceTensor[]));
    }
    // Three times each, so that each is recorded and replayed before the next comes, in two rounds.
    for (let i = 0; i < 2 * 3 * tensors.length; i += 1) {
      const seed = Math.floor(i / 3) % tensors.length;
      const [actual] = await device.run(plan, [tensors[seed]!]);
      expect(actual, `run ${i}`).to.deep.equal(await wanted(seed));
    }
    await device.close();
  });

  it('follow the arena when a larger plan moves it', async () => {
    const device = openCuda();
    const plan = await smallPlan(device);
    for (let round = 0; round < 4; round += 1) {
      const larger = new PlanWriter('larger');
      const elements = 4096 * (round + 1);
      larger.op('copy', { x: larger.input([1, 1, elements]), y: larger.output([1, 1, elements]) });
      await device.run(device.compile(larger.describe(), []), [new Float32Array(elements)]);
      for (let seed = 1; seed <= 3; seed += 1) {
        const [actual] = await device.run(plan, [inputOf(seed)]);
        expect(actual).to.deep.equal(await wanted(seed));
      }
    }
    await device.close();
  });

  it('give way to each other by when they were used last', async () => {
    const device = openCuda();
    const plan = await smallPlan(device);
    const tensors = await Promise.all(
      [0, 1, 2, 3, 4].map((seed) => device.write(inputOf(seed), { dtype: 'f32', shape: [1, rows, width] })),
    );
    const launchedBy = async (...order: number[]): Promise<number> => {
      const before = device.statistics!.launched;
      for (const i of order) await device.run(plan, [tensors[i]!]);
      return device.statistics!.launched - before;
    };
    expect(await launchedBy(0, 1, 2, 3, 0, 1, 2, 3)).to.equal(4);
    expect(await launchedBy(4, 1, 2, 3), 'the first one gives way').to.equal(1);
    expect(await launchedBy(0, 1, 2, 3), 'and, come back, the fifth').to.equal(1);
    await device.close();
  });

  it('do not touch a workspace that has moved since', async () => {
    const device = await openSplitting();
    await reserve(device, 2 ** 16);
    const [small, larger] = [await splitProduct(device, 8), await splitProduct(device, 16)];
    const wanted = await small();
    for (let run = 0; run < 3; run += 1) expect(await small()).to.deep.equal(wanted);
    await larger();
    // As large as the first workspace, whose place it may well get.
    const values = new Float32Array(4 * 8 * out).fill(7);
    const other = await device.write(values, { dtype: 'f32', shape: [1, 1, values.length] });
    for (let run = 0; run < 3; run += 1) expect(await small(), `run ${run}`).to.deep.equal(wanted);
    expect(await device.read(other)).to.deep.equal(values);
    await device.close();
  });

  it('of more plans than are kept give way to each other', async () => {
    const device = openCuda();
    const plans = await Promise.all(Array.from({ length: 70 }, () => smallPlan(device)));
    const right = await wanted(1);
    for (let round = 0; round < 3; round += 1) {
      for (const plan of plans) expect((await device.run(plan, [inputOf(1)]))[0]).to.deep.equal(right);
    }
    await device.close();
  });

  if (!emulated) return;

  it('are done without where a larger workspace was not to be had, until there is one again', () =>
    withEmulation('memory=28000000', async () => {
      const device = await openSplitting();
      await reserve(device, 2 ** 21);
      const [small, larger] = [await splitProduct(device, 8), await splitProduct(device, 4000)];
      const wanted = await small();
      for (let run = 0; run < 3; run += 1) expect(await small()).to.deep.equal(wanted);
      const filling = await device.write(new Float32Array(2 ** 21), { dtype: 'f32', shape: [1, 1, 2 ** 21] });
      await expectRejection(larger(), 'ERR_OUT_OF_MEMORY', /the operations' workspace/);
      for (let run = 0; run < 3; run += 1) expect(await small(), `run ${run}`).to.deep.equal(wanted);
      filling.dispose();
      await larger();
      expect(await small()).to.deep.equal(wanted);
      await device.close();
    }));

  it('are done without where the driver refuses to record', () =>
    withEmulation('capture=0', async () => {
      const device = openCuda();
      await holdRuns(device);
      expect(device.statistics).to.include({ launched: 5, recorded: 0, replayed: 0 });
      await device.close();
    }));

  it('are recorded after all where the driver refused once, and not where it did again and again', async () => {
    const counts = (refusals: number) =>
      withEmulation(`refusals=${refusals}`, async () => {
        const device = openCuda();
        await holdRuns(device);
        const { launched, recorded, replayed } = device.statistics!;
        await device.close();
        return { launched, recorded, replayed };
      });
    expect(await counts(1)).to.deep.equal({ launched: 2, recorded: 1, replayed: 3 });
    expect(await counts(3)).to.deep.equal({ launched: 5, recorded: 0, replayed: 0 });
  });
});
