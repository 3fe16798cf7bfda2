import { expect } from 'chai';
import { QAViT } from '../../lib';
import { loadAddon } from '../../lib/binding/load';
import { relativeError } from '../support/compare';
import { encodeCase } from '../support/encode-case';
import { type TowerCase, type TowerFixture, towerFixtures } from '../support/towers';

/** Relative Frobenius errors against float64 (issue 2, point 9, and Must show). */
const F32_ERROR = 1e-5;
const BF16_ERROR = 1.2e-2;
const OVER_PYTORCH = 1.25;

async function check(fixture: TowerFixture, entry: TowerCase, device: 'cpu' | 'reference', dtype: 'f32' | 'bf16') {
  const folders = { tower: fixture.tower, ...(entry.adapter === null ? {} : { adapter: entry.adapter }) };
  await using model = await QAViT.load(folders, { device, dtype, padding: entry.padding });
  for (const output of ['tower', 'projected'] as const) {
    const wanted = entry[output];
    if (!wanted) continue;
    const error = relativeError(await encodeCase(model, entry, output), wanted.data);
    const pytorch = entry.bf16[output] ?? 0;
    expect(error, output).to.be.below(dtype === 'f32' ? F32_ERROR : Math.min(BF16_ERROR, OVER_PYTORCH * pytorch));
  }
}

describe('the whole forward pass against PyTorch', () => {
  for (const fixture of towerFixtures()) {
    for (const device of ['reference', 'cpu'] as const) {
      for (const dtype of ['f32', 'bf16'] as const) {
        describe(`${fixture.name} on ${device} in ${dtype}`, () => {
          for (const entry of fixture.cases) it(entry.name, () => check(fixture, entry, device, dtype));
        });
      }
    }
  }

  const [fixture] = towerFixtures();
  for (const isa of loadAddon().cpuIsas()) {
    it(`on the code path ${isa}`, async () => {
      process.env.QAVIT_CPU = isa;
      try {
        await using model = await QAViT.load({ tower: fixture!.tower }, { device: 'cpu' });
        expect(model.info.device.isa).to.equal(isa);
        for (const entry of fixture?.cases ?? []) await check(fixture!, entry, 'cpu', 'f32');
        for (const entry of fixture?.cases ?? []) await check(fixture!, entry, 'cpu', 'bf16');
      } finally {
        delete process.env.QAVIT_CPU;
      }
    });
  }
});
