/** The whole forward pass on the GPU: against PyTorch in float64, against the CPU, and against itself. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import type { Device } from '../../lib/binding/native';
import { checkTowerCase } from '../support/check-tower';
import { relativeError } from '../support/compare';
import { openCuda, withKernels } from '../support/cuda';
import { encodeBatch, openEngine } from '../support/cuda-engine';
import { encodeCase, questionsOf } from '../support/encode-case';
import { features, noise } from '../support/pictures';
import { withSelector, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';
import { mergingFolder, MERGING, mergingTensors } from '../support/vision-language';
import { loadingOf, type TowerCase, type TowerFixture, towerFixtures } from '../support/towers';

function load(fixture: TowerFixture, entry: TowerCase, device: 'cpu' | 'cuda', dtype: 'f32' | 'bf16' | 'f16') {
  const { folders, options } = loadingOf(fixture, entry);
  return QAViT.load(folders, { device, dtype, ...options });
}

/** The last of `runs` results, which is held to the others. */
async function encodeOn(
  device: Device,
  entry: TowerCase,
  fixture: TowerFixture,
  dtype: 'bf16' | 'f16',
  runs = 1,
): Promise<Float32Array> {
  const { folders, options } = loadingOf(fixture, entry);
  using opened = await openEngine(folders, device, dtype, options);
  const encode = (): Promise<Float32Array> =>
    encodeBatch(opened.engine, entry.pixels.data, questionsOf(entry), entry.padding);
  const first = await encode();
  for (let run = 2; run <= runs; run += 1) expect(await encode(), `run ${run}`).to.deep.equal(first);
  return first;
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

    for (const dtype of ['bf16', 'f16'] as const) {
      it(`${fixture.name} in ${dtype}: replayed graphs and kernels that overlap give the bits of plain launches in turn, three times`, async () => {
        const entry = fixture.cases.at(-1)!;
        const plain = await withKernels('serial', () => openCuda({ graphs: false }));
        const [overlapping, replayed] = [openCuda({ graphs: false }), openCuda()];
        const wanted = await encodeOn(plain, entry, fixture, dtype);
        expect(await encodeOn(overlapping, entry, fixture, dtype, 3), 'overlapping').to.deep.equal(wanted);
        const before = replayed.statistics!.replayed;
        for (let run = 1; run <= 3; run += 1) {
          expect(await encodeOn(replayed, entry, fixture, dtype, 3), `round ${run}`).to.deep.equal(wanted);
        }
        expect(plain.statistics!.replayed).to.equal(0);
        expect(replayed.statistics!.replayed).to.be.above(before);
        await Promise.all([plain.close(), overlapping.close(), replayed.close()]);
      });
    }
  }

  for (const dtype of ['f32', 'bf16', 'f16'] as const) {
    it(`projects squares of patches in ${dtype}, as transformers does`, async () => {
      for (const name of MERGING) {
        const { picture, projected } = mergingTensors(name);
        await using model = await QAViT.load({ tower: mergingFolder(name) }, { device: 'cuda', dtype });
        const [one, ...others] = await model.encodeBatch(
          [1, 2, 3].map(() => ({ image: { ...picture }, question: null })),
        );
        expect(relativeError(one!.data, projected.data), name).to.be.below(dtype === 'f32' ? 1e-5 : 3e-2);
        for (const { data } of others) expect(data).to.deep.equal(one!.data);
      }
    });
  }

  describe('with a token selector', () => {
    const at = temporaryFolder();

    it('hands over the tokens that the CPU chooses', async () => {
      const folders = writeRandomModel(at('model'), { adapter: withSelector });
      const options = { dtype: 'f32', visualTokens: 5 } as const;
      await using cpu = await QAViT.load(folders, { ...options, device: 'cpu' });
      await using cuda = await QAViT.load(folders, { ...options, device: 'cuda' });
      const questions = [features(5, 24, 1), features(9, 24, 2), null];
      const items = questions.flatMap((question) => [1, 2].map((seed) => ({ image: noise(32, seed), question })));
      const [wanted, found] = await Promise.all([cpu, cuda].map((model) => model.encodeBatch(items)));
      for (const [i, { kept, data }] of wanted!.entries()) {
        expect(found![i]!.kept, `item ${i}`).to.deep.equal(kept);
        expect(relativeError(found![i]!.data, data), `item ${i}`).to.be.below(1e-5);
      }
    });
  });
});
