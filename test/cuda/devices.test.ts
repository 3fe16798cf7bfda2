/** GPUs that are absent, unfit, full or broken. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceTensor, Plan, Weight } from '../../lib/binding/native';
import { toBf16 } from '../support/bf16';
import { emulated, openCuda, withEmulation } from '../support/cuda';
import { withVariable } from '../support/environment';
import { expectRejection, expectThrow } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';
import { slowElements, slowPlan } from '../support/slow-plan';
import { temporaryFolder } from '../support/temporary';
import { writeRandomModel } from '../support/random-model';

const addon = loadAddon();

function copyPlan(device: Device, elements = 8): Plan {
  const plan = new PlanWriter('copy');
  plan.op('copy', { x: plan.input([1, 1, elements]), y: plan.output([1, 1, elements]) });
  return device.compile(plan.describe(), []);
}

const numbers = Float32Array.from({ length: 8 }, (_, i) => i);

async function expectWorking(device: Device): Promise<void> {
  expect(await device.run(copyPlan(device), [numbers])).to.deep.equal([numbers]);
}

function uploadOf(device: Device, elements: number): Promise<Weight[]> {
  const source = new Float32Array(elements);
  return device.upload([{ source, dtype: 'f32', shape: [1, 1, elements], role: 'vector', computeDtype: 'f32' }]);
}

describe('CUDA: devices', () => {
  const at = temporaryFolder();
  it('say what they are', async () => {
    const device = openCuda();
    const { name, ...info } = device.info;
    expect(name).to.not.equal('');
    expect(info).to.deep.equal({ kind: 'cuda', isa: '', threads: 1, ordinal: 0, dtypes: ['bf16', 'f16', 'f32'] });
    await expectWorking(device);
    await device.close();
    await expectRejection(uploadOf(device, 1), 'ERR_ARGUMENT', /an open device/);
  });

  it('that are not there are refused', () => {
    expectThrow(
      () => openCuda({ ordinal: 999 }),
      'ERR_UNSUPPORTED',
      /^Expected a number from 0 to \d+ for device cuda:999 but/,
    );
    expectThrow(() => openCuda({ ordinal: -1 }), 'ERR_ARGUMENT', /ordinal of Device/);
    expectThrow(() => openCuda({ threads: 2 }), 'ERR_ARGUMENT', /"threads"/);
    expectThrow(() => new addon.Device({ kind: 'cpu', ordinal: 0 }), 'ERR_ARGUMENT', /"ordinal"/);
  });

  it('do not compute in int8, and say what they do compute in', async () => {
    const message = /^Expected one of bf16, f16, f32 for .* but received "?int8"?/;
    await expectRejection(
      QAViT.load(writeRandomModel(at('model')), { device: 'cuda', dtype: 'int8' }),
      'ERR_DTYPE',
      message,
    );
    const device = openCuda();
    const source = new Float32Array(4);
    const item = { source, dtype: 'f32', shape: [1, 2, 2], role: 'matrix', computeDtype: 'int8' } as const;
    await expectRejection(device.upload([{ ...item, shape: [1, 2, 2] }]), 'ERR_DTYPE', message);
    await device.close();
  });

  it("are what QAViT.load opens for 'cuda' and 'auto', and says so", async () => {
    const folders = writeRandomModel(at('model'));
    for (const device of ['cuda', 'cuda:0', 'auto'] as const) {
      await using model = await QAViT.load(folders, { device });
      expect(model.info.device).to.include({ kind: 'cuda', ordinal: 0 });
      expect(model.info.dtype).to.equal('bf16');
    }
    await expectRejection(QAViT.load(folders, { device: 'cuda:999' }), 'ERR_UNSUPPORTED', /cuda:999/);
  });

  it('work side by side', async () => {
    const devices = [openCuda(), openCuda(), openCuda()];
    await Promise.all(devices.map((device) => expectWorking(device)));
    await Promise.all(devices.map((device) => device.close()));
  });

  it('answer an aborted run with ERR_ABORTED and go on', async () => {
    const device = openCuda();
    const before = new addon.AbortFlag();
    before.abort();
    await expectRejection(device.run(copyPlan(device), [numbers], { abort: before }), 'ERR_ABORTED');
    await expectWorking(device);
    if (emulated) {
      // A GPU has all of these operations in its queue, and is done with them, before anyone can ask it to stop.
      const slow = await slowPlan(device);
      const during = new addon.AbortFlag();
      const run = device.run(slow, [new Float32Array(slowElements)], { abort: during });
      setTimeout(() => during.abort(), 30);
      await expectRejection(run, 'ERR_ABORTED', /a request to abort/);
      await expectWorking(device);
    }
    await device.close();
  });

  it('answer requests that do not fit with ERR_OUT_OF_MEMORY and go on', async () => {
    const settings = 'memory=1000000';
    const device = await withEmulation(settings, async () => {
      const opened = openCuda();
      await expectWorking(opened);
      return opened;
    });
    if (emulated) {
      await expectRejection(
        uploadOf(device, 300_000),
        'ERR_OUT_OF_MEMORY',
        /1200000 bytes of GPU memory for a weight but/,
      );
    }
    // More than any GPU has; never touched on the host.
    const elements = 2 ** 38;
    const plan = new PlanWriter('huge');
    const huge = plan.intermediate([1, 2 ** 19, 2 ** 19]);
    plan.op('copy', { x: plan.input([1, 1, 8]), y: { ...plan.whole(huge), shape: [1, 1, 8] } });
    plan.op('copy', { x: { ...plan.whole(huge), shape: [1, 1, 8] }, y: plan.output([1, 1, 8]) });
    const compiled = device.compile(plan.describe(), []);
    expect(compiled.arenaBytes).to.be.at.least(elements * 4);
    await expectRejection(
      device.run(compiled, [numbers]),
      'ERR_OUT_OF_MEMORY',
      /^Expected \d+ bytes of GPU memory for working memory but received \d+ free of \d+$/,
    );
    await expectWorking(device);
    await device.close();
  });

  if (!emulated) return;

  const refusals: [string, string, RegExp][] = [
    [
      'without a driver',
      'driver=0',
      /^Expected an NVIDIA GPU and its driver for device cuda:0 but received no NVIDIA driver/,
    ],
    [
      'with an old driver',
      'driver=12040',
      /^Expected an NVIDIA driver for CUDA 13\.0 or newer .* received one for CUDA 12\.4$/,
    ],
    [
      'without a GPU',
      'devices=0',
      /^Expected an NVIDIA GPU .* received none that this process may see .*CUDA_VISIBLE_DEVICES/,
    ],
    [
      'with an old GPU',
      'capability=75',
      /^Expected a GPU of compute capability 8\.0 or newer .* received emulated GPU 0 of 7\.5$/,
    ],
  ];
  for (const [where, settings, message] of refusals) {
    it(`${where} refuse 'cuda', and let 'auto' take the CPU`, () =>
      withEmulation(settings, async () => {
        expectThrow(() => openCuda(), 'ERR_UNSUPPORTED', message);
        const folders = writeRandomModel(at('model'));
        await expectRejection(QAViT.load(folders, { device: 'cuda' }), 'ERR_UNSUPPORTED', message);
        await using model = await QAViT.load(folders);
        expect(model.info.device.kind).to.equal('cpu');
      }));
  }

  // Each of these loses a GPU of this process for good.
  for (const [ordinal, settings] of [
    [1, 'devices=4 fault=3'],
    [2, 'devices=4 fault=40'],
  ] as const) {
    it(`lost to a fault answer ERR_DEVICE with the first error, others go on (${settings})`, () =>
      withEmulation(settings, async () => {
        const [device, bystander] = [openCuda({ ordinal }), openCuda({ ordinal })];
        await expectRejection(repeat(device, 40), 'ERR_DEVICE', /cudaErrorIllegalAddress/);
        const lost = new RegExp(
          `a working GPU for device cuda:${ordinal} but received one lost .*cudaErrorIllegalAddress`,
        );
        await expectRejection(uploadOf(device, 8), 'ERR_DEVICE', lost);
        await expectRejection(uploadOf(bystander, 8), 'ERR_DEVICE', lost);
        expectThrow(() => copyPlan(device), 'ERR_DEVICE', lost);
        expectThrow(() => openCuda({ ordinal }), 'ERR_DEVICE', lost);
        await Promise.all([device.close(), bystander.close()]);
        delete process.env.QAVIT_EMULATION;
        const other = openCuda();
        await expectWorking(other);
        await other.close();
      }));
  }

  it('each let kernels have the shared memory that they ask for', () =>
    withEmulation('devices=8', () =>
      // A tile of 96 KiB, where 48 are there for the asking.
      withVariable('QAVIT_CUDA_TILE', '0:1', async () => {
        for (const ordinal of [0, 6]) {
          const device = openCuda({ ordinal });
          const source = new Float32Array(64).fill(1);
          const [weight] = await device.upload([
            { source, dtype: 'f32', shape: [1, 1, 64], role: 'matrix', computeDtype: 'bf16' },
          ]);
          const plan = new PlanWriter('product');
          plan.op('linear', { x: plan.input([1, 1, 64], 'bf16'), y: plan.output([1, 1, 1]) }, { weight: 0 });
          const x = toBf16(new Float32Array(64).fill(2));
          const found = await device.run(device.compile(plan.describe(), [weight!]), [x]);
          expect(found, `GPU ${ordinal}`).to.deep.equal([Float32Array.of(128)]);
          await device.close();
        }
      }),
    ));

  it('give back what was let go of and kept, where that is what is missing', async () => {
    const write = (elements: number): Promise<DeviceTensor> =>
      device.write(new Float32Array(elements), { dtype: 'f32', shape: [1, 1, elements] });
    const device = await withEmulation('memory=8000000', async () => {
      const opened = openCuda();
      await expectWorking(opened);
      return opened;
    });
    for (const tensor of await Promise.all([1, 2, 3].map(() => write(500_000)))) tensor.dispose();
    (await write(1_500_000)).dispose();
    await expectRejection(write(2_500_000), 'ERR_OUT_OF_MEMORY', /10000000 bytes of GPU memory/);
    await expectWorking(device);
    await device.close();
  });

  it('that say they have memory pools, and then give nothing from them, work without', () =>
    withEmulation('pools=0', async () => {
      const device = openCuda();
      await expectWorking(device);
      await uploadOf(device, 1000);
      await expectWorking(device);
      await device.close();
    }));

  it('lost under a model end its calls with ERR_DEVICE', () =>
    withEmulation('devices=4 fault=200', async () => {
      const folders = writeRandomModel(at('model'));
      await using model = await QAViT.load(folders, { device: 'cuda:3' });
      const image = { data: new Uint8Array(32 * 32 * 3), width: 32, height: 32, channels: 3 as const };
      const encode = async (): Promise<void> => {
        for (let i = 0; i < 20; i += 1) await model.encode(image, null);
      };
      await expectRejection(encode(), 'ERR_DEVICE', /cudaErrorIllegalAddress/);
      await expectRejection(model.encode(image, null), 'ERR_DEVICE', /one lost to an earlier error/);
    }));
});

async function repeat(device: Device, runs: number): Promise<void> {
  const plan = copyPlan(device);
  for (let i = 0; i < runs; i += 1) await device.run(plan, [numbers]);
}
