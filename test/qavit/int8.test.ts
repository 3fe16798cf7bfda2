/** Models in int8: what is quantised, how near they stay, and who gets them. */
import { expect } from 'chai';
import { QAViT } from '../../lib';
import { loadAddon } from '../../lib/binding/load';
import { loadModel } from '../../lib/qavit/load';
import { relativeError } from '../support/compare';
import { encodeCase } from '../support/encode-case';
import { features, noise } from '../support/pictures';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';
import { tokenCosines } from '../support/token-cosines';
import { loadingOf, towerFixtures } from '../support/towers';

describe('dtype int8', () => {
  const at = temporaryFolder();
  const signal = new AbortController().signal;
  const environment = process.env.QAVIT_CPU;
  afterEach(() => {
    if (environment === undefined) delete process.env.QAVIT_CPU;
    else process.env.QAVIT_CPU = environment;
  });

  it('is never chosen by auto', async () => {
    const folders = writeRandomModel(at('model'));
    for (const device of ['cpu', 'reference'] as const) {
      await using model = await QAViT.load(folders, { device });
      expect(model.info.dtype).to.be.oneOf(['f32', 'bf16']);
    }
  });

  it('is what info says, takes a byte a weight of the layers, and has keys of its own', async () => {
    const folders = writeRandomModel(at('model'), { width: 128, mlp: 512, layers: 4 });
    const load = (dtype: 'f32' | 'int8') => QAViT.load({ tower: folders.tower }, { device: 'cpu', dtype });
    await using float = await load('f32');
    await using int8 = await load('int8');
    expect(int8.info.dtype).to.equal('int8');
    // 4 layers of 12 C^2 weights go from four bytes to one, and to the scale and the sum of each of their 9 C channels. The rest,
    // patch embedding and vectors, can only shrink, to bf16.
    const saved = 4 * (3 * 12 * 128 ** 2 - 8 * 9 * 128);
    const { weightBytes } = float.info.memory;
    expect(int8.info.memory.weightBytes).to.be.within(0.25 * weightBytes, weightBytes - saved);
    const picture = noise(32);
    const [a, b] = [await float.encode(picture, null), await int8.encode(picture, null)];
    expect(a.key).to.not.equal(b.key);
  });

  it('gives a sample the same bits alone and in a batch', async () => {
    await using model = await QAViT.load(writeRandomModel(at('model')), { device: 'cpu', dtype: 'int8' });
    const items = [3, 9].map((tokens) => ({ image: noise(32), question: features(tokens, 24) }));
    const batch = await model.encodeBatch(items);
    for (const [i, { image, question }] of items.entries()) {
      expect((await model.encode(image, question)).data).to.deep.equal(batch[i]!.data);
    }
  });

  it('quantises the folded gate, and both projections of the unfolded one', async () => {
    const folders = writeRandomModel(at('model'));
    const [pixels, question] = [noise(32).data, features(5, 24)];
    const fused = async (dtype: 'f32' | 'int8', folds: boolean) => {
      const { engine } = await loadModel(folders, { device: 'cpu', dtype }, folds);
      const stream = await engine.look(pixels, 1, signal);
      const heard = await engine.listen(question.data, { questions: 1, tokens: 5, width: 24 }, signal);
      const spread = { tensor: stream, index: [0] };
      const { tokens } = await engine.fuse(spread, { tensor: heard, index: [0], lengths: [5] }, 'tower', signal);
      await engine.device.close();
      return tokens[0]!;
    };
    const exact = await fused('f32', true);
    for (const folds of [true, false]) {
      expect(relativeError(await fused('int8', folds), exact), `folds ${folds}`).to.be.within(1e-3, 3e-2);
    }
  });

  const fixtures = towerFixtures();
  const paths = ['reference', ...loadAddon().cpuIsas()] as const;
  for (const path of paths) {
    it(`keeps every token near PyTorch's in float64 on ${path}`, async () => {
      const device = path === 'reference' ? 'reference' : 'cpu';
      if (device === 'cpu') process.env.QAVIT_CPU = path;
      for (const fixture of fixtures) {
        for (const entry of fixture.cases) {
          const { folders, options } = loadingOf(fixture, entry);
          await using model = await QAViT.load(folders, { device, dtype: 'int8', ...options });
          const tokens = await encodeCase(model, entry, 'tower');
          const { lowest } = tokenCosines(tokens, entry.tower.data, entry.tower.shape[2]!);
          expect(lowest, `${fixture.name}: ${entry.name}`).to.be.within(0.999, 0.999999);
        }
      }
    });
  }
});
