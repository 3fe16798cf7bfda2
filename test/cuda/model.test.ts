/** The whole forward pass on the GPU: against PyTorch in float64, against the CPU, and against itself. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import { checkTowerCase } from '../support/check-tower';
import { relativeError } from '../support/compare';
import { encodeCase } from '../support/encode-case';
import { type TowerCase, type TowerFixture, towerFixtures } from '../support/towers';

function load(fixture: TowerFixture, entry: TowerCase, device: 'cpu' | 'cuda', dtype: 'f32' | 'bf16' | 'f16') {
  const folders = { tower: fixture.tower, ...(entry.adapter === null ? {} : { adapter: entry.adapter }) };
  return QAViT.load(folders, { device, dtype, padding: entry.padding });
}

describe('CUDA: the whole forward pass', () => {
  const fixtures = towerFixtures();

  for (const fixture of fixtures) {
    for (const dtype of ['f32', 'bf16', 'f16'] as const) {
      describe(`${fixture.name} in ${dtype}`, () => {
        for (const entry of fixture.cases) {
          it(`${entry.name}, against PyTorch`, () => checkTowerCase(fixture, entry, 'cuda', dtype));
        }
      });
    }

    it(`${fixture.name}: as on the CPU, and the same bits in three runs`, async () => {
      const entry = fixture.cases.at(-1)!;
      await using cpu = await load(fixture, entry, 'cpu', 'f32');
      await using cuda = await load(fixture, entry, 'cuda', 'f32');
      const first = await encodeCase(cuda, entry, 'tower');
      expect(relativeError(first, await encodeCase(cpu, entry, 'tower'))).to.be.below(1e-5);
      for (let run = 2; run <= 3; run += 1) expect(await encodeCase(cuda, entry, 'tower')).to.deep.equal(first);
    });
  }
});
