import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { loadAddon } from '../../lib/binding/load';
import type { Device, FileRegion, HostArray, MappedFile, WeightUpload } from '../../lib/binding/native';
import { toBf16 } from '../support/bf16';
import { expectRejection } from '../support/expect-error';
import { PlanWriter } from '../support/plan-writer';

const addon = loadAddon();

/** Bits of infinity, minus infinity and a NaN whose payload is small. */
const NOT_FINITE = {
  f32: { Infinity: 0x7f800000, '-Infinity': 0xff800000, NaN: 0x7f800001 },
  bf16: { Infinity: 0x7f80, '-Infinity': 0xff80, NaN: 0x7f81 },
  f16: { Infinity: 0x7c00, '-Infinity': 0xfc00, NaN: 0xfc01 },
} as const;

describe('native: parameters from regions of files', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-regions-'));
  let device: Device;
  before(() => {
    device = new addon.Device({ kind: 'reference' });
  });
  after(async () => {
    await device.close();
    rmSync(folder, { recursive: true });
  });

  /** Behind three bytes, since regions need not be aligned. */
  function fileOf(name: string, elements: HostArray): MappedFile {
    const bytes = Buffer.from(elements.buffer, elements.byteOffset, elements.byteLength);
    writeFileSync(path.join(folder, name), Buffer.concat([Buffer.alloc(3), bytes]));
    return new addon.MappedFile(path.join(folder, name));
  }

  const table = (
    source: readonly FileRegion[],
    columns: number,
    dtype: WeightUpload['dtype'] = 'f32',
  ): WeightUpload => ({ source, dtype, shape: [1, 1, columns], role: 'table', computeDtype: 'f32' });

  async function rowOf(item: WeightUpload): Promise<number[]> {
    const weights = await device.upload([item]);
    const plan = new PlanWriter('row');
    const index = plan.input([1, 1, 1], 'i32');
    plan.op('gather_rows', { index, out: plan.output([1, 1, item.shape[2]]) }, { table: 0 });
    const [row] = await device.run(device.compile(plan.describe(), weights), [Int32Array.of(0)]);
    return Array.from(row as Float32Array);
  }

  it('stacks regions in the order given, from several files', async () => {
    const [one, other] = [fileOf('one', Float32Array.of(1, 2, 3)), fileOf('other', Float32Array.of(4, 5))];
    const regions = [
      { file: other, offset: 3, elements: 2, name: 'other' },
      { file: one, offset: 7, elements: 2, name: 'end of one' },
      { file: one, offset: 3, elements: 1, name: 'start of one' },
    ];
    expect(await rowOf(table(regions, 5))).to.deep.equal([4, 5, 2, 3, 1]);
  });

  it('scales in f32, whatever the file holds', async () => {
    // 2^-14 is the smallest normal f16: an eighth of it, and a third of 1, are no normal f16 and no bf16.
    const halves = fileOf('halves', Uint16Array.of(0x0400, 0x3c00));
    const third = Math.fround(1 / 3);
    const regions = [
      { file: halves, offset: 3, elements: 2, scale: 1 / 8, name: 'a' },
      { file: halves, offset: 5, elements: 1, scale: third, name: 'b' },
      { file: halves, offset: 5, elements: 1, name: 'c' },
    ];
    expect(await rowOf(table(regions, 4, 'f16'))).to.deep.equal([2 ** -17, 1 / 8, third, 1]);
    const single = fileOf('bf16', toBf16(Float32Array.of(3)));
    const region = { file: single, offset: 3, elements: 1, scale: third, name: 'd' };
    expect(await rowOf(table([region], 1, 'bf16'))).to.deep.equal([Math.fround(3 * third)]);
  });

  for (const dtype of ['f32', 'bf16', 'f16'] as const) {
    it(`refuses ${dtype} numbers that are not finite, wherever they are, by the region's name`, async () => {
      const count = 10_000;
      for (const [shown, bits] of Object.entries(NOT_FINITE[dtype])) {
        for (const at of [0, 4095, 4096, count - 1]) {
          for (const scale of [undefined, 0.5]) {
            const elements = dtype === 'f32' ? new Int32Array(count) : new Uint16Array(count);
            const good = fileOf('good', elements);
            elements[at] = bits;
            const bad = fileOf('bad', elements);
            const regions = [good, bad].map((file, i) => ({
              file,
              offset: 3,
              elements: count,
              scale,
              name: i ? 'tensor B' : 'tensor A',
            }));
            await expectRejection(
              device.upload([table(regions, 2 * count, dtype)]),
              'ERR_FORMAT',
              new RegExp(`^Expected finite numbers for tensor B but received ${shown} at element ${at}$`),
            );
          }
        }
      }
      const largest = dtype === 'f32' ? Float32Array.of(3.4e38) : Uint16Array.of(dtype === 'bf16' ? 0x7f7f : 0x7bff);
      const region = { file: fileOf('largest', largest), offset: 3, elements: 1, name: 'largest' };
      expect(await rowOf(table([region], 1, dtype))).to.satisfy(([value]: number[]) => Number.isFinite(value));
    });
  }

  it('refuses regions that are none, lie outside, or do not fill the parameter', async () => {
    const file = fileOf('four', Float32Array.of(1, 2, 3, 4));
    const good = { file, offset: 3, elements: 4, name: 'four' };
    const refuse = (
      change: Record<string, unknown>,
      code: 'ERR_ARGUMENT' | 'ERR_SHAPE' | 'ERR_FORMAT',
    ): Promise<void> => expectRejection(device.upload([table([{ ...good, ...change }], 4)]), code);
    await refuse({ elements: 3 }, 'ERR_SHAPE');
    await refuse({ elements: 5 }, 'ERR_FORMAT');
    await refuse({ offset: 4 }, 'ERR_FORMAT');
    for (const elements of [0, -1, 1.5, 2 ** 53, NaN, '4', undefined]) await refuse({ elements }, 'ERR_ARGUMENT');
    for (const offset of [-1, 0.5, 2 ** 53, undefined]) await refuse({ offset }, 'ERR_ARGUMENT');
    for (const scale of [NaN, Infinity, 1e39, '1']) await refuse({ scale }, 'ERR_ARGUMENT');
    for (const stranger of [{}, new Float32Array(4), null]) await refuse({ file: stranger }, 'ERR_ARGUMENT');
    for (const name of [undefined, 4]) await refuse({ name }, 'ERR_ARGUMENT');
    await refuse({ ofset: 3 }, 'ERR_ARGUMENT');
    await expectRejection(device.upload([table([], 4)]), 'ERR_SHAPE');
    await expectRejection(device.upload([table(Array<FileRegion>(5000).fill(good), 20_000)]), 'ERR_ARGUMENT');
  });
});
