/** Memory on the GPU and on the host stays where it is over many requests; weights and copies arrive bit for bit. */
import { expect } from 'chai';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { QAViT } from '../../lib';
import type { Device, DeviceTensor } from '../../lib/binding/native';
import { fromBf16, toBf16 } from '../support/bf16';
import { emulated, openCuda } from '../support/cuda';
import { fromF16, toF16 } from '../support/f16';
import { features, noise } from '../support/pictures';
import { PlanWriter } from '../support/plan-writer';
import { floats, random } from '../support/random';
import { SMALL, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const megabyte = 2 ** 20;

/** More than the pinned memory of one transfer, and no multiple of it. */
const large = 2 * megabyte + 12345;

async function roundTrip(device: Device, values: Float32Array): Promise<unknown> {
  const plan = new PlanWriter('round trip');
  plan.op('copy', { x: plan.input([1, 1, values.length]), y: plan.output([1, 1, values.length]) });
  return (await device.run(device.compile(plan.describe(), []), [values]))[0];
}

describe('CUDA: memory', () => {
  const at = temporaryFolder();
  let device: Device;
  beforeEach(() => (device = openCuda()));
  afterEach(() => device.close());

  it('is copied in and out whole', async () => {
    const values = floats(random(1), large);
    expect(await roundTrip(device, values)).to.deep.equal(values);
    const tensors = new PlanWriter('kept');
    tensors.op('copy', { x: tensors.input([1, 1, large]), y: tensors.output([1, 1, large]) });
    const plan = device.compile(tensors.describe(), []);
    const [tensor] = (await device.run(plan, [values], { results: ['tensor'] })) as DeviceTensor[];
    expect(await device.read(tensor!)).to.deep.equal(values);
    const written = await device.write(values, { dtype: 'f32', shape: [1, 1, large] });
    expect(await device.read(written)).to.deep.equal(values);
    expect(await device.run(plan, [written])).to.deep.equal([values]);
  });

  it('holds the inputs of a run apart, small and large, in whichever order they come', async () => {
    // More than pinned memory holds at once; none a multiple of what another one leaves.
    const sizes = Array.from({ length: 40 }, (_, i) => (i % 3 === 0 ? 7 + i : (1 + (i % 5)) * 100_003));
    const inputs = sizes.map((size, i) => floats(random(i + 1), size));
    const plan = new PlanWriter('many');
    for (const size of sizes) plan.op('copy', { x: plan.input([1, 1, size]), y: plan.output([1, 1, size]) });
    const compiled = device.compile(plan.describe(), []);
    for (let run = 0; run < 3; run += 1) expect(await device.run(compiled, inputs), `run ${run}`).to.deep.equal(inputs);
  });

  for (const [dtype, toBits, fromBits] of [
    ['bf16', toBf16, fromBf16],
    ['f16', toF16, fromF16],
  ] as const) {
    it(`holds tables rounded to ${dtype}, to nearest even`, async () => {
      const [count, cols] = [3000, 701];
      // Halfway cases, subnormals and overflows among them.
      const source = floats(random(2), count * cols).map((value, i) => {
        if (i % 5 === 0) return fromBits(Uint16Array.of(i % 0x7c00))[0]! * (1 + (i % 3) * 2 ** -9);
        return value * 2 ** ((i % 60) - 40);
      });
      const [table] = await device.upload([
        { source, dtype: 'f32', shape: [1, count, cols], role: 'table', computeDtype: dtype },
      ]);
      const rows = [0, 1, 1499, 2998, 2999];
      const plan = new PlanWriter('rows');
      const views = { index: plan.input([1, 1, rows.length], 'i32'), out: plan.output([1, rows.length, cols]) };
      plan.op('gather_rows', views, { table: 0 });
      const [actual] = await device.run(device.compile(plan.describe(), [table!]), [Int32Array.from(rows)]);
      const wanted = rows.flatMap((row) => [...fromBits(toBits(source.subarray(row * cols, (row + 1) * cols)))]);
      expect([...(actual as Float32Array)]).to.deep.equal(wanted);
    });
  }

  it('does not grow over requests', async () => {
    const side = 64;
    const plan = new PlanWriter('request');
    plan.op('copy', { x: plan.input([1, side, side]), y: plan.output([1, side, side]) });
    const compiled = device.compile(plan.describe(), []);
    const values = new Float32Array(side * side);
    const request = async (): Promise<void> => {
      const [kept] = (await device.run(compiled, [values], { results: ['tensor'] })) as DeviceTensor[];
      await device.run(compiled, [kept!]);
      kept!.dispose();
    };
    // As many in the first half, which fills what allocators keep.
    const requests = emulated ? 1000 : 10_000;
    const measure = async (): Promise<number> => {
      for (let i = 0; i < requests / 2; i += 1) await request();
      collect();
      return process.memoryUsage().rss;
    };
    const before = await measure();
    const arena = device.memory.arenaBytes;
    expect((await measure()) - before).to.be.below(16 * megabyte);
    expect(device.memory).to.deep.equal({ weightBytes: 0, tensorBytes: 0, arenaBytes: arena });
  });

  it('does not grow over whole encodings', async () => {
    await using model = await QAViT.load(writeRandomModel(at('model')), { device: 'cuda' });
    const requests = emulated ? 60 : 10_000;
    // Lengths and batches in turn, so that plans and graphs of several shapes come and go.
    const request = async (i: number): Promise<void> => {
      const image = noise(SMALL.image, i % 5);
      const question = i % 4 === 0 ? null : features(1 + (i % 40), SMALL.questionWidth);
      await model.encodeBatch(Array.from({ length: 1 + (i % 3) }, () => ({ image, question })));
    };
    const measure = async (): Promise<number> => {
      for (let i = 0; i < requests / 2; i += 1) await request(i);
      collect();
      return process.memoryUsage().rss;
    };
    const before = await measure();
    const { weightBytes, arenaBytes } = model.info.memory;
    expect((await measure()) - before).to.be.below(32 * megabyte);
    expect(model.info.memory).to.deep.equal({ weightBytes, tensorBytes: 0, arenaBytes });
  });

  it('does not grow over devices', async () => {
    const rounds = emulated ? 60 : 20;
    const round = async (): Promise<void> => {
      const one = openCuda();
      await roundTrip(one, new Float32Array(megabyte / 4));
      await one.close();
    };
    for (let i = 0; i < rounds; i += 1) await round();
    collect();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < rounds; i += 1) await round();
    collect();
    expect(process.memoryUsage().rss - before).to.be.below(24 * megabyte);
  });
});
