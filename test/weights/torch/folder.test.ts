import { expect } from 'chai';
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { QAViT } from '../../../lib';
import { TensorFolder } from '../../../lib/weights';
import { expectRejection } from '../../support/expect-error';
import { fixture } from '../../support/paths';
import { floats, random } from '../../support/random';
import { writeJson } from '../../support/random-model';
import { f32, writeSafetensors } from '../../support/safetensors-writer';
import { temporaryFolder } from '../../support/temporary';
import { dict, global, SIX, tensor, torchBytes } from '../../support/torch-writer';

describe('folders of .bin files', () => {
  const at = temporaryFolder();
  const index = 'pytorch_model.bin.index.json';

  beforeEach(() => {
    rmSync(at('m'), { recursive: true, force: true });
    mkdirSync(at('m'));
  });

  const write = (name: string, ...tensors: readonly string[]): void =>
    writeFileSync(at('m', name), torchBytes({ pickle: dict(...tensors.map((key) => [key, tensor()] as const)) }));
  const names = async (): Promise<string[]> => {
    const folder = await TensorFolder.open(at('m'));
    folder.close();
    return [...folder.all].map(({ name }) => name);
  };

  describe('hold a CLIP tower', () => {
    const pixels = Uint8Array.from(floats(random(5), 8 * 8 * 3), (value) => Math.floor((value + 1) * 128));
    const image = { data: pixels, width: 8, height: 8, channels: 3 as const };

    async function tokens(folder: string, dtype: 'f32' | 'bf16'): Promise<Float32Array> {
      await using model = await QAViT.load({ tower: folder }, { device: 'cpu', dtype });
      return (await model.encode(image, null, { output: 'tower' })).data;
    }

    for (const layout of ['single', 'sharded']) {
      for (const dtype of ['f32', 'bf16'] as const) {
        it(`that gives the tokens of its safetensors to the bit: ${layout}, ${dtype}`, async () => {
          cpSync(fixture('torch', layout), at('m'), { recursive: true });
          for (const config of ['config.json', 'preprocessor_config.json']) {
            copyFileSync(fixture('torch', 'tower', config), at('m', config));
          }
          const wanted = await tokens(fixture('torch', 'tower'), dtype);
          expect(wanted).to.have.length(5 * 8);
          expect(await tokens(at('m'), dtype)).to.deep.equal(wanted);
        });
      }
    }
  });

  it('are read where there is nothing else, one file before shards', async () => {
    write('pytorch_model.bin', 'a');
    expect(await names()).to.deep.equal(['a']);
    writeJson(at('m', index), { weight_map: { b: '1.bin' } });
    write('1.bin', 'b');
    expect(await names()).to.deep.equal(['a']);
    rmSync(at('m', 'pytorch_model.bin'));
    expect(await names()).to.deep.equal(['b']);
    writeSafetensors(at('m', '1.safetensors'), { c: f32([1], Float32Array.of(1)) });
    writeJson(at('m', 'model.safetensors.index.json'), { weight_map: { c: '1.safetensors' } });
    expect(await names()).to.deep.equal(['c']);
  });

  it('keep to their index', async () => {
    write('1.bin', 'a');
    write('2.bin', 'b');
    const open = (map: object): Promise<TensorFolder> => {
      writeJson(at('m', index), { weight_map: map });
      return TensorFolder.open(at('m'));
    };
    const folder = await open({ a: '1.bin', b: '2.bin' });
    expect([...folder.all].map((stored) => stored.read()[5])).to.deep.equal([6, 6]);
    folder.close();
    await expectRejection(open({ a: '2.bin', b: '1.bin' }), 'ERR_FORMAT', /tensor a for 2\.bin, .* it in .*1\.bin/);
    await expectRejection(open({ a: '1.bin', b: '3.bin' }), 'ERR_FORMAT', /3\.bin .* does not exist/);
    for (const name of ['../1.bin', '1.safetensors']) {
      await expectRejection(open({ a: name }), 'ERR_FORMAT', /the name of a \.bin file for tensor a/);
    }
    write('2.bin', 'a');
    await expectRejection(open({ a: '1.bin', b: '2.bin' }), 'ERR_FORMAT', /each tensor once .* a in two shards/);
  });

  it('say what their files hold besides tensors', async () => {
    const pickle = dict(['a', tensor()], ['config', global('omegaconf', 'DictConfig')]);
    writeFileSync(at('m', 'pytorch_model.bin'), torchBytes({ pickle, data: { 0: SIX } }));
    const folder = await TensorFolder.open(at('m'));
    expect(folder.skipped).to.deep.equal(['omegaconf.DictConfig']);
    folder.close();
  });
});
