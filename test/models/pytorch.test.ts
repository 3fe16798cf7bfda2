import { expect } from 'chai';
import { QAViT } from '../../lib';
import { loadAddon } from '../../lib/binding/load';
import { checkTowerCase } from '../support/check-tower';
import { towerFixtures } from '../support/towers';

describe('the whole forward pass against PyTorch', () => {
  const fixtures = towerFixtures();

  for (const fixture of fixtures) {
    for (const device of ['reference', 'cpu'] as const) {
      for (const dtype of ['f32', 'bf16'] as const) {
        describe(`${fixture.name} on ${device} in ${dtype}`, () => {
          for (const entry of fixture.cases) it(entry.name, () => checkTowerCase(fixture, entry, device, dtype));
        });
      }
    }
  }

  for (const isa of loadAddon().cpuIsas()) {
    it(`on the code path ${isa}`, async () => {
      const before = process.env.QAVIT_CPU;
      process.env.QAVIT_CPU = isa;
      try {
        for (const fixture of fixtures) {
          await using model = await QAViT.load({ tower: fixture.tower }, { device: 'cpu' });
          expect(model.info.device.isa).to.equal(isa);
          for (const dtype of ['f32', 'bf16'] as const) {
            for (const entry of fixture.cases) await checkTowerCase(fixture, entry, 'cpu', dtype);
          }
        }
      } finally {
        if (before === undefined) delete process.env.QAVIT_CPU;
        else process.env.QAVIT_CPU = before;
      }
    });
  }
});
