import { expect } from 'chai';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { NamedTensors } from '../../lib/weights/named-tensors';
import { TensorFolder } from '../../lib/weights/tensor-folder';
import { expectRejection, expectThrow } from '../support/expect-error';
import { writeJson } from '../support/random-model';
import { f32, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';

const one = (value: number) => f32([1], Float32Array.of(value));

describe('tensor folders', () => {
  const at = temporaryFolder();
  const index = 'model.safetensors.index.json';

  beforeEach(() => {
    rmSync(at('m'), { recursive: true, force: true });
    mkdirSync(at('m'));
  });

  const shards = (map: unknown): void => {
    writeSafetensors(at('m', '1.safetensors'), { a: one(1) });
    writeSafetensors(at('m', '2.safetensors'), { b: one(2) });
    writeJson(at('m', index), { metadata: {}, weight_map: map });
  };

  it('read one file', async () => {
    writeSafetensors(at('m', 'model.safetensors'), { a: one(1) });
    const folder = await TensorFolder.open(at('m'));
    expect(folder.get('a')?.read()[0]).to.equal(1);
    folder.close();
  });

  it('read shards', async () => {
    shards({ a: '1.safetensors', b: '2.safetensors' });
    const folder = await TensorFolder.open(at('m'));
    expect([...folder.all].map((tensor) => tensor.read()[0])).to.deep.equal([1, 2]);
    folder.close();
  });

  it('do without shards that nothing is asked of', async () => {
    shards({ 'x.a': '1.safetensors', 'y.b': '2.safetensors', 'y.c': '3.safetensors' });
    writeSafetensors(at('m', '1.safetensors'), { 'x.a': one(1) });
    const folder = await TensorFolder.open(at('m'), /^x\./);
    expect([...folder.all].map(({ name }) => name)).to.deep.equal(['x.a']);
    folder.close();
    await expectRejection(TensorFolder.open(at('m'), /^y\./), 'ERR_FORMAT', /3\.safetensors .* does not exist/);
  });

  it('say what is missing', async () => {
    await expectRejection(
      TensorFolder.open(at('m')),
      'ERR_FORMAT',
      /model\.safetensors, .*index\.json, pytorch_model\.bin or .*index\.json for .* none of them/,
    );
    shards({ a: '1.safetensors', b: '3.safetensors' });
    await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /3\.safetensors .* does not exist/);
    shards({ a: '1.safetensors', c: '2.safetensors' });
    await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /tensor c for 2\.safetensors, .* none/);
    shards({ a: '2.safetensors', b: '1.safetensors' });
    await expectRejection(
      TensorFolder.open(at('m')),
      'ERR_FORMAT',
      /tensor a for 2\.safetensors, .* it in .*1\.safetensors/,
    );
  });

  it('refuse an index that makes no sense or reaches outside', async () => {
    for (const map of [undefined, [], 'a']) {
      shards(map);
      await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /weight_map/);
    }
    for (const name of ['../1.safetensors', '/etc/passwd', 'sub/1.safetensors', '1.bin', '', 5, null]) {
      shards({ a: name });
      await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /the name of a \.safetensors file for tensor a/);
    }
    writeFileSync(at('m', index), '{');
    await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /JSON for .*index\.json/);
    writeFileSync(at('m', index), '[]');
    await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /JSON object for .*index\.json/);
  });

  it('refuse a tensor in two shards', async () => {
    shards({ a: '1.safetensors', b: '2.safetensors' });
    writeSafetensors(at('m', '2.safetensors'), { a: one(1), b: one(2) });
    await expectRejection(TensorFolder.open(at('m')), 'ERR_FORMAT', /each tensor once .* a in two shards/);
  });

  describe('by name', () => {
    const open = async (names: readonly string[]): Promise<TensorFolder> => {
      writeSafetensors(at('m', 'model.safetensors'), Object.fromEntries(names.map((name, i) => [name, one(i)])));
      return TensorFolder.open(at('m'));
    };

    for (const prefix of ['', 'vision_model.', 'vision_tower.', 'vision_tower.vision_model.', 'model.vision_tower.']) {
      it(`find a part behind the prefix '${prefix}'`, async () => {
        const folder = await open(['other.x', `${prefix}x`, `${prefix}y.z`].slice(prefix === '' ? 1 : 0));
        const tensors = NamedTensors.behindPrefix(folder, 'y.z');
        expect(tensors.take('x', [1]).name).to.equal(`${prefix}x`);
        expect(tensors.take('y.z', [1]).name).to.equal(`${prefix}y.z`);
        tensors.expectNoOthers(/^$/);
        folder.close();
      });
    }

    it('are not found at the end of another name', async () => {
      const folder = await open(['p.y', 'p.xy']);
      expect(NamedTensors.behindPrefix(folder, 'y').take('y', [1]).name).to.equal('p.y');
      folder.close();
    });

    it('say which is missing, doubled, of another shape, or left over', async () => {
      const folder = await open(['p.x', 'p.y', 'q.y']);
      expectThrow(
        () => NamedTensors.behindPrefix(folder, 'z'),
        'ERR_FORMAT',
        /tensor z for .*model\.safetensors .* none/,
      );
      expectThrow(() => NamedTensors.behindPrefix(folder, 'y'), 'ERR_FORMAT', /one tensor y .* p\.y and q\.y/);
      expectThrow(() => NamedTensors.of(folder, ['p.', 'q.']), 'ERR_FORMAT', /one tensor y .* p\.y and q\.y/);
      const tensors = NamedTensors.of(folder, ['p.']);
      expectThrow(() => tensors.take('z', [2, 3]), 'ERR_FORMAT', /tensor z \[2, 3\] for .*model\.safetensors .* none/);
      expectThrow(() => tensors.take('x', [2]), 'ERR_SHAPE', /\[2\] for tensor p\.x of .*model\.safetensors .* \[1\]/);
      expectThrow(() => tensors.expectNoOthers(/^x$/), 'ERR_FORMAT', /config\.json describes .* also p\.y/);
      tensors.expectNoOthers(/^[xy]$/);
      folder.close();
    });
  });
});
