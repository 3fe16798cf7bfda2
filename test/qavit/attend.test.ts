import { expect } from 'chai';
import { QAViT } from '../../lib';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { features, noise } from '../support/pictures';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

describe('attend', () => {
  const at = temporaryFolder();
  const image = noise(32);
  const question = features(5, 24);
  const [M, K, C] = [17, 5, 32];
  let model: QAViT;

  before(async () => {
    model = await QAViT.load(writeRandomModel(at('model')), { device: 'cpu', dtype: 'f32' });
  });
  after(() => model.close());

  it('gives a map a fused layer, its gate, and where the patches lie', async () => {
    const maps = await model.attend(image, question);
    expect(maps.layers.map(({ layer, gate }) => [layer, gate])).to.deep.equal([
      [2, model.info.gates[0]],
      [3, model.info.gates[1]],
    ]);
    expect(maps).to.deep.include({ grid: { rows: 4, columns: 4 }, hasClass: true });
    expect(maps.picture.data).to.deep.equal(image.data);
    for (const { attention } of maps.layers) {
      expect(attention.shape).to.deep.equal([M, K]);
      expect(attention.data).to.have.length(M * K);
      for (let row = 0; row < M; row += 1) {
        const share = attention.data.subarray(row * K, (row + 1) * K).reduce((a, b) => a + b, 0);
        expect(share).to.be.within(0.001, 0.999);
      }
    }
  });

  it('measures the difference that encode shows', async () => {
    const { difference } = await model.attend(image, question);
    const asked = await model.encode(image, question, { output: 'tower' });
    const plain = await model.encode(image, null, { output: 'tower' });
    const wanted = Float32Array.from({ length: M }, (_, row) => {
      const of = (data: Float32Array) => data.subarray(row * C, (row + 1) * C);
      return relativeError(of(asked.data), of(plain.data));
    });
    expect(relativeError(difference, wanted)).to.be.below(1e-6);
    expect(Math.min(...difference)).to.be.above(0.001);
  });

  it('does not depend on how a question is padded', async () => {
    const short = await model.attend(image, features(8, 24));
    const data = features(8, 24).data.slice(0, 7 * 24);
    const cut = await model.attend(image, { data, shape: [7, 24] });
    expect(short.layers[0]!.attention.shape).to.deep.equal([M, 8]);
    expect(cut.layers[0]!.attention.shape).to.deep.equal([M, 7]);
  });

  it('goes on from a picture that was looked at, and leaves nothing behind', async () => {
    const before = model.info.memory.tensorBytes;
    const wanted = await model.attend(image, question);
    expect(model.info.memory.tensorBytes).to.equal(before);
    using seen = await model.look(image);
    expect((await model.attend(seen, question)).difference).to.deep.equal(wanted.difference);
    expect(seen.bytes).to.be.above(0);
  });

  it('covers the class token also where it is not handed over', async () => {
    await using without = await QAViT.load(
      { tower: at('model', 'tower'), adapter: at('model', 'adapter') },
      { keepClass: false },
    );
    expect((await without.attend(image, question)).difference).to.have.length(M);
  });

  it('refuses questions without tokens', async () => {
    const empty = { data: new Float32Array(0), shape: [0, 24] as [number, number] };
    for (const nothing of [null, empty]) {
      await expectRejection(
        model.attend(image, nothing),
        'ERR_ARGUMENT',
        /a question of at least one token for attend/,
      );
    }
  });
});
