import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceTensor } from '../../lib/binding/native';
import { PlanWriter } from '../support/plan-writer';

const addon = loadAddon();

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
/** Finalizers run in tasks of their own, after the collection, and what they free may be freed on a device's thread. */
async function collectAll(): Promise<void> {
  for (let i = 0; i < 5; i += 1) {
    collect();
    await sleep(10);
  }
}

const side = 512;
const megabyte = 2 ** 20;

/** Uploads 1 MB, runs with a 1 MB result kept and one fetched. */
async function loadAndRun(device: Device): Promise<DeviceTensor> {
  const [weight] = await device.upload([
    {
      source: new Float32Array(side * side),
      dtype: 'f32',
      shape: [1, side, side],
      role: 'matrix',
      computeDtype: 'f32',
    },
  ]);
  const plan = new PlanWriter('loop');
  const x = plan.input([1, side, side]);
  const bytes = plan.input([1, 1, side]);
  plan.op('copy', { x, y: plan.output([1, side, side]) });
  plan.op('linear', { x: bytes, y: plan.output([1, 1, side]) }, { weight: 0 });
  const compiled = device.compile(plan.describe(), [weight!]);
  const [kept] = await device.run(compiled, [new Float32Array(side * side), new Float32Array(side)], {
    results: ['tensor', 'array'],
  });
  return kept as DeviceTensor;
}

/**
 * Resident bytes gained by the second half of many rounds; the first half fills what allocators keep for each thread. Of each half the least
 * of three: how much of what was dropped last is still held, varies by more than is looked for.
 */
async function growth(rounds: number, round: () => Promise<void>): Promise<number> {
  const held: number[] = [];
  for (let sixth = 0; sixth < 6; sixth += 1) {
    for (let i = 0; i < rounds / 6; i += 1) await round();
    await collectAll();
    held.push(process.memoryUsage().rss);
  }
  return Math.min(...held.slice(3)) - Math.min(...held.slice(0, 3));
}

describe('native: memory', () => {
  for (const kind of ['reference', 'cpu'] as const) {
    // One round holds about 5 MB: a leak of any part of it shows at least 1 MB a round, 60 MB in all.
    it(`${kind}: does not grow over load, run, dispose, close`, async () => {
      const gained = await growth(120, async () => {
        const device = new addon.Device({ kind, ...(kind === 'cpu' && { threads: 2 }) });
        (await loadAndRun(device)).dispose();
        await device.close();
      });
      expect(gained).to.be.lessThan(24 * megabyte);
    });
  }

  it('does not grow when handles are left to the garbage collector', async () => {
    const device = new addon.Device({ kind: 'reference' });
    const gained = await growth(120, async () => {
      await loadAndRun(device);
    });
    expect(gained).to.be.lessThan(24 * megabyte);
    await collectAll();
    expect(device.memory.weightBytes).to.be.at.most(2 * megabyte);
    expect(device.memory.tensorBytes).to.be.at.most(2 * megabyte);
    await device.close();
  });

  it('does not grow when devices are left to the garbage collector', async () => {
    const gained = await growth(200, async () => {
      await loadAndRun(new addon.Device({ kind: 'reference' }));
    });
    expect(gained).to.be.lessThan(24 * megabyte);
  });

  it('does not grow over failing and aborted runs', async () => {
    const device = new addon.Device({ kind: 'reference' });
    const abort = new addon.AbortFlag();
    abort.abort();
    const plan = new PlanWriter('copy');
    const x = plan.input([1, side, side]);
    plan.op('copy', { x, y: plan.output([1, side, side]) });
    const compiled = device.compile(plan.describe(), []);
    const input = new Float32Array(side * side);
    const ignore = (): void => undefined;
    const gained = await growth(120, async () => {
      await device.run(compiled, [input], { abort }).catch(ignore);
      await device.run(compiled, [input.subarray(1)]).catch(ignore);
      await device
        .upload([{ source: input, dtype: 'f32', shape: [1, side, side], role: 'matrix', computeDtype: 'f32' }], abort)
        .catch(ignore);
    });
    expect(gained).to.be.lessThan(24 * megabyte);
    expect(device.memory).to.include({ weightBytes: 0, tensorBytes: 0 });
    await device.close();
  });
});
