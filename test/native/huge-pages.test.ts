/** Weights are packed into small pages, which the device joins to huge ones while nothing waits for it (Linux). */
import { expect } from 'chai';
import { existsSync, readFileSync } from 'node:fs';
import { release } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import { PlanWriter } from '../support/plan-writer';
import { floats, random } from '../support/random';

const addon = loadAddon();
const MODES = '/sys/kernel/mm/transparent_hugepage/enabled';
const SIDE = 3072;
const MIB = 2 ** 20;

/** MADV_COLLAPSE is of Linux 6.1; AddressSanitizer keeps memory to itself. */
function canJoin(): boolean {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const allowed = existsSync(MODES) && !readFileSync(MODES, 'utf8').includes('[never]');
  return allowed && major * 100 + minor >= 601 && !process.env.ASAN_OPTIONS;
}

/** Bytes of this process in huge pages. */
function hugeBytes(): number {
  const [, kilobytes = '0'] = /AnonHugePages: *(\d+) kB/.exec(readFileSync('/proc/self/smaps_rollup', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

describe('native: huge pages', () => {
  const draw = random(5);
  const source = floats(draw, SIDE * SIDE);
  const x = floats(draw, SIDE);
  let device: Device;
  before(() => (device = new addon.Device({ kind: 'cpu' })));
  after(() => device.close());

  async function upload() {
    const shape = [1, SIDE, SIDE] as const;
    const [weight] = await device.upload([
      { source, dtype: 'f32', shape: [...shape], role: 'matrix', computeDtype: 'f32' },
    ]);
    const plan = new PlanWriter();
    plan.op('linear', { x: plan.input([1, 1, SIDE]), y: plan.output([1, 1, SIDE]) }, { weight: 0 });
    return device.compile(plan.describe(), [weight!]);
  }

  it('hold a weight some time after its upload, and its bits are the same', async function () {
    if (!canJoin()) return this.skip();
    const before = hugeBytes();
    const plan = await upload();
    const [first] = await device.run(plan, [x]);
    // Of 36. The kernel by itself joins 16 MiB in ten seconds.
    for (let waited = 0; hugeBytes() < before + 32 * MIB && waited < 10_000; waited += 20) await sleep(20);
    expect(hugeBytes()).to.be.at.least(before + 32 * MIB);
    const [second] = await device.run(plan, [x]);
    expect(second).to.deep.equal(first);
  });

  it('hold up neither what runs meanwhile nor the end', async () => {
    const expected = await device.run(await upload(), [x]);
    for (let i = 0; i < 5; i += 1) {
      const own = new addon.Device({ kind: 'cpu' });
      const shape: [number, number, number] = [1, SIDE, SIDE];
      await own.upload([{ source, dtype: 'f32', shape, role: 'matrix', computeDtype: 'f32' }]);
      expect(await device.run(await upload(), [x])).to.deep.equal(expected);
      await own.close();
    }
  });
});
