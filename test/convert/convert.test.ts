/** `qavit convert`: a checkpoint in QA-ViT's published form becomes a model that answers as PyTorch does with it. */
import { expect } from 'chai';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { QAViT } from '../../lib';
import { loadAddon } from '../../lib/binding/load';
import { convertCheckpoint } from '../../lib/convert/convert';
import { languagePart } from '../../lib/convert/parts';
import { sortPublished } from '../../lib/convert/published-keys';
import { QAViTError, type QAViTErrorCode } from '../../lib/errors';
import { openTorchFile, type StoredTensor } from '../../lib/weights';
import { multiplyOn } from '../../lib/weights/device-product';
import { openSafetensors } from '../../lib/weights/safetensors';
import { runCli } from '../cli/run-cli';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { readSafetensors } from '../support/safetensors';
import { f32, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';

interface Expected {
  pixels: number[];
  cases: { question: string; tokens: number[]; text: string }[];
}

const published = (name: string) => fixture('published', name);
const FROM = {
  checkpoint: published('qavit-tiny.pth'),
  tower: published('tower'),
  language: published('language'),
};
const VISION = 'base_model.model.vision.vision_tower.vision_model.';

describe('convert', () => {
  const at = temporaryFolder();
  const { pixels, cases } = JSON.parse(readFileSync(published('expected.json'), 'utf8')) as Expected;
  const data = Uint8Array.from(pixels);
  const picture = { data, width: 32, height: 32, channels: 3 as const };

  describe('a published checkpoint', () => {
    let out: string;
    let model: QAViT;
    before(async () => {
      out = at('model');
      await convertCheckpoint({ ...FROM, out });
      model = await QAViT.load(out, { device: 'cpu', dtype: 'f32' });
    });
    after(() => model.close());

    for (const { question, text, tokens } of cases) {
      it(`answers ${JSON.stringify(question)} token for token as PyTorch, in ${tokens.length}`, async () => {
        let said = '';
        for await (const piece of model.ask(picture, question)) said += piece;
        expect(said).to.equal(text);
      });
    }

    it('answers the same with attended padding, one question at a time', async () => {
      const attending = await QAViT.load(out, { device: 'cpu', dtype: 'f32', padding: 'attend' });
      const [{ question, text } = { question: '', text: '' }] = cases;
      let said = '';
      for await (const piece of attending.ask(picture, question)) said += piece;
      expect(said).to.equal(text);
      await attending.close();
    });

    it('keeps two embedding tables, and what LoRA did not touch as it was', () => {
      const tensors = readSafetensors(path.join(out, 'language', 'model.safetensors'));
      const [text, question] = ['shared.weight', 'instruction_embedder.weight'].map((name) => tensors.get(name)!);
      expect(question!.shape).to.deep.equal(text!.shape);
      expect(question!.data).to.not.deep.equal(text!.data);
      expect([...tensors.keys()].filter((name) => name.includes('lora'))).to.deep.equal([]);
      expect(readdirSync(path.join(out, 'language')).sort()).to.deep.equal([
        'config.json',
        'generation_config.json',
        'model.safetensors',
        'tokenizer.json',
      ]);
    });

    it('is what `qavit ask --model` takes, and `qavit convert` makes', async () => {
      const [image, made] = [at('picture.png'), at('by-command')];
      await sharp(data, { raw: { width: 32, height: 32, channels: 3 } })
        .png()
        .toFile(image);
      const options = Object.entries({ ...FROM, out: made }).flatMap(([name, value]) => [`--${name}`, value]);
      const converted = await runCli(['convert', ...options, '--json']);
      expect(converted.code, converted.stderr).to.equal(0);
      const report = JSON.parse(converted.stdout) as Record<string, unknown>;
      expect(report).to.include({ out: made, merged: 13 });
      expect(report.fusedLayers).to.deep.equal([2, 3]);
      const [{ question, text } = { question: '', text: '' }] = cases;
      const asked = await runCli([
        'ask',
        '--model',
        made,
        image,
        question,
        '--dtype',
        'f32',
        '--device',
        'cpu',
        '--json',
      ]);
      expect(asked.code, asked.stderr).to.equal(0);
      expect((JSON.parse(asked.stdout) as { answer: string }).answer).to.equal(text);
    });
  });

  it('executes nothing that the checkpoint names, and says what it was', async () => {
    const here = readdirSync('.');
    const { skipped, ignored } = await convertCheckpoint({ ...FROM, out: at('harmless') });
    expect(skipped).to.include.members(['posix.system', 'omegaconf.dictconfig.DictConfig']);
    expect(readdirSync('.')).to.deep.equal(here);
    expect(existsSync('executed-by-a-pickle')).to.equal(false);
    expect(ignored).to.include.members([
      `${VISION}encoder.layers.2.self_attn.instruction_gate`,
      'base_model.model.translation_mlp.dummy.weight',
      'base_model.model.instruction_embedder.weight',
    ]);
  });

  it('takes a tower whose preparation of pictures stands in processor_config.json', async () => {
    const tower = at('tower-joint');
    cpSync(FROM.tower, tower, { recursive: true });
    const own = path.join(tower, 'preprocessor_config.json');
    const image_processor = JSON.parse(readFileSync(own, 'utf8')) as object;
    rmSync(own);
    writeFileSync(path.join(tower, 'processor_config.json'), JSON.stringify({ image_processor }));
    const out = at('joint');
    await convertCheckpoint({ ...FROM, tower, out });
    await using model = await QAViT.load(out, { device: 'cpu', dtype: 'f32' });
    const [{ question, text } = { question: '', text: '' }] = cases;
    let said = '';
    for await (const piece of model.ask(picture, question)) said += piece;
    expect(said).to.equal(text);
  });

  it('merges by the alpha it is told', async () => {
    await convertCheckpoint({ ...FROM, out: at('weaker'), alpha: 16 });
    await convertCheckpoint({ ...FROM, out: at('usual') });
    const name = 'encoder.block.0.layer.0.SelfAttention.q.weight';
    const read = (folder: string) => readSafetensors(path.join(at(folder), 'language', 'model.safetensors')).get(name)!;
    expect(read('weaker').data).to.not.deep.equal(read('usual').data);
  });

  /** Keys lie in the pickle as they are: other bytes of the same number make another key. */
  function renamed(name: string, from: string, to: string): string {
    expect(to).to.have.length(from.length);
    const bytes = readFileSync(FROM.checkpoint);
    for (let i = bytes.indexOf(from); i >= 0; i = bytes.indexOf(from, i + 1)) bytes.write(to, i, 'latin1');
    const file = at(`${name}.pth`);
    writeFileSync(file, bytes);
    return file;
  }

  const lora = 'decoder.block.1.layer.1.EncDecAttention.v.lora';
  const keys: [what: string, from: string, to: string, code: QAViTErrorCode, message: RegExp][] = [
    [
      'a key of another model',
      'base_model.model.lm_head',
      'base_model.model.xx_head',
      'ERR_FORMAT',
      /received base_model\.model\.xx_head\.weight$/,
    ],
    [
      'no fused layers',
      'instruction_out_proj',
      'instruction_out_xxxx',
      'ERR_FORMAT',
      /instruction_out_proj\.weight for .*none: not a QA-ViT$/,
    ],
    [
      'a fused layer that lacks a map',
      'layers.3.instruct_dim_reduce.3',
      'layers.3.instruct_dim_reduce.9',
      'ERR_FORMAT',
      /tensor encoder\.layers\.3\.instruct_dim_reduce\.3\.weight/,
    ],
    [
      'a projector without its second map',
      'translation_mlp.layers.1',
      'translation_mlp.layers.2',
      'ERR_FORMAT',
      /translation_mlp\.layers\.1\.weight/,
    ],
    [
      'a tower without a layer',
      'encoder.layers.0.mlp.fc1.bias',
      'encoder.layers.0.mlp.fc9.bias',
      'ERR_FORMAT',
      /encoder\.layers\.0\.mlp\.fc1\.bias/,
    ],
    [
      'a tower without patches',
      'patch_embedding',
      'xxxxx_embedding',
      'ERR_FORMAT',
      /embeddings\.patch_embedding\.weight/,
    ],
    [
      'a T5 without its last norm',
      'encoder.final_layer_norm',
      'encoder.final_layer_xxxx',
      'ERR_FORMAT',
      /encoder\.final_layer_norm\.weight \[32\]/,
    ],
    [
      'half of a LoRA pair',
      `${lora}_A`,
      `${lora}_C`,
      'ERR_FORMAT',
      /also base_model.*lora_C|tensor .*lora_A\.default\.weight/,
    ],
    [
      'LoRA on what is not there',
      `${lora}_B`,
      `${lora}_B`.replace('.v.', '.w.'),
      'ERR_FORMAT',
      /EncDecAttention\.[vw]\./,
    ],
    [
      'two LoRA adapters of one map',
      `${lora}_B.default`,
      `${lora}_B.another`,
      'ERR_FORMAT',
      /one LoRA adapter of decoder\.block\.1\.layer\.1\.EncDecAttention\.v for .* received default and another$/,
    ],
    [
      'another name of what is not there',
      'instruction_embedder.lora_embedding_A',
      'instruction_embedder.lora_embedding_Z',
      'ERR_FORMAT',
      /shared\.lora_embedding_Z\.default, as which it is read, for tensor .*instruction_embedder\.lora/,
    ],
  ];
  for (const [what, from, to, code, message] of keys) {
    it(`refuses ${what}, naming file and key`, async () => {
      const checkpoint = renamed(what.replaceAll(' ', '-'), from, to);
      const out = at(`refused-${what.replaceAll(' ', '-')}`);
      const converting = convertCheckpoint({ ...FROM, checkpoint, out });
      await expectRejection(converting, code, message);
      await converting.catch((error: Error) => expect(error.message).to.include(checkpoint));
      expect(readdirSync(path.dirname(out)).filter((name) => name.startsWith(path.basename(out)))).to.deep.equal([]);
    });
  }

  it('takes a second name of the embedding for the same where it holds the same numbers, wherever they lie', () => {
    const table = Float32Array.of(1, 2, 3, 4);
    const sorted = (others: Record<string, { shape: number[]; values: Float32Array }>) => {
      const gate = `${VISION}encoder.layers.0.self_attn.instruction_out_proj.weight`;
      const tensors = { [gate]: f32([1], Float32Array.of(0)), 'shared.weight': f32([2, 2], table) };
      const more = Object.entries(others).map(([name, { shape, values }]) => [name, f32(shape, values)] as const);
      writeSafetensors(at('keys.safetensors'), { ...tensors, ...Object.fromEntries(more) });
      const opened = openSafetensors(at('keys.safetensors'));
      try {
        return sortPublished({ path: 'keys', all: opened.tensors }).ignored;
      } finally {
        opened.file.close();
      }
    };
    const alias = 'decoder.embed_tokens.weight';
    const wrapped = 'decoder.embed_tokens.base_layer.weight';
    for (const name of [alias, wrapped]) {
      expect(sorted({ [name]: { shape: [2, 2], values: table } })).to.deep.equal([name]);
    }
    expect(() => sorted({ [wrapped]: { shape: [4, 1], values: table } })).to.throw(
      QAViTError,
      /for tensor decoder\.embed_tokens\.base_layer\.weight of /,
    );
    for (const other of [
      { shape: [2, 2], values: Float32Array.of(1, 2, 3, 5) },
      { shape: [4, 1], values: table },
    ]) {
      expect(() => sorted({ [alias]: other })).to.throw(
        QAViTError,
        /numbers of shared\.weight for tensor decoder\.embed/,
      );
    }
  });

  it('takes the names that newer PEFT gives to what it wraps', async () => {
    const opened = openTorchFile(FROM.checkpoint);
    const device = new (loadAddon().Device)({ kind: 'cpu' });
    try {
      const path = opened.file.path;
      const { adapted, ignored } = sortPublished({ path, all: opened.tensors });
      expect(adapted.has('shared')).to.equal(true);
      const wraps = (key: string): boolean =>
        adapted.has(key) || ((key.endsWith('embed_tokens') || key === 'instruction_embedder') && adapted.has('shared'));
      let wrapped = 0;
      const newer = Array.from(opened.tensors, (tensor) => {
        const module = /^base_model\.model\.(.+)\.weight$/.exec(tensor.name)?.[1];
        if (module === undefined || !wraps(module)) return tensor;
        wrapped++;
        return tensor.renamed(`base_model.model.${module}.base_layer.weight`);
      });
      expect(wrapped).to.be.above(adapted.size);
      const context = { dtype: 'f32', multiply: multiplyOn(device) } as const;
      const made = async (all: Iterable<StoredTensor>) => {
        const { tensors } = await languagePart(
          sortPublished({ path, all }),
          `${FROM.language}/config.json`,
          32,
          context,
        );
        const bytes = tensors.map(async (tensor) => {
          const parts: Uint8Array[] = [];
          for await (const part of tensor.chunks()) parts.push(Uint8Array.from(part));
          return [tensor.name, Buffer.concat(parts).toString('base64')] as const;
        });
        return Promise.all(bytes);
      };
      expect(await made(newer)).to.deep.equal(await made(opened.tensors));
      expect(sortPublished({ path, all: newer }).ignored).to.have.length(ignored.length);
      const twice = [...newer, ...opened.tensors];
      expect(() => sortPublished({ path, all: twice })).to.throw(QAViTError, /^Expected one tensor .* received two$/);
    } finally {
      await device.close();
      opened.file.close();
    }
  });

  function changed(part: 'tower' | 'language', fields: object): string {
    const folder = at(`${part}-${Object.keys(fields).join()}`);
    cpSync(FROM[part], folder, { recursive: true });
    const file = path.join(folder, 'config.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...fields }));
    return folder;
  }

  it('refuses folders that the checkpoint was not made with', async () => {
    const refuse = async (options: object, code: QAViTErrorCode, message: RegExp) => {
      const out = at('never');
      await expectRejection(convertCheckpoint({ ...FROM, ...options, out }), code, message);
      expect(existsSync(out)).to.equal(false);
    };
    await refuse({ tower: changed('tower', { hidden_size: 64 }) }, 'ERR_SHAPE', /qavit-tiny\.pth/);
    await refuse({ tower: changed('tower', { model_type: 'resnet' }) }, 'ERR_UNSUPPORTED', /model_type/);
    await refuse(
      { tower: changed('tower', { model_type: 'dinov2' }) },
      'ERR_FORMAT',
      /tensor embeddings\..*qavit-tiny/,
    );
    await refuse({ language: changed('language', { d_model: 64 }) }, 'ERR_SHAPE', /shared\.weight/);
    await refuse({ language: changed('language', { model_type: 'llama' }) }, 'ERR_UNSUPPORTED', /model_type/);
    await refuse({ language: FROM.tower }, 'ERR_UNSUPPORTED', /model_type/);
    await refuse({ checkpoint: fixture('torch', 'malicious.bin') }, 'ERR_FORMAT', /malicious\.bin/);
    await refuse({ checkpoint: fixture('torch', 'legacy.bin') }, 'ERR_UNSUPPORTED', /legacy\.bin/);
    await refuse({ checkpoint: at('none.pth') }, 'ERR_ARGUMENT', /none\.pth/);
    const bare = at('bare');
    mkdirSync(bare);
    cpSync(path.join(FROM.language, 'config.json'), path.join(bare, 'config.json'));
    await refuse({ language: bare }, 'ERR_FORMAT', /tokenizer\.json/);
  });

  it('writes into no folder that holds something, and stops when it is told to', async () => {
    const full = at('full');
    mkdirSync(full);
    await convertCheckpoint({ ...FROM, out: full });
    const message = /^Expected a new folder for the converted model but received .*which is not empty$/;
    await expectRejection(convertCheckpoint({ ...FROM, out: full }), 'ERR_ARGUMENT', message);
    await expectRejection(convertCheckpoint({ ...FROM, out: FROM.checkpoint }), 'ERR_ARGUMENT', /which is a file$/);
    await expectRejection(convertCheckpoint({ ...FROM, out: '' }), 'ERR_ARGUMENT', /a new folder .* received ""$/);
    symlinkSync(at('nowhere'), at('lost'));
    await expectRejection(convertCheckpoint({ ...FROM, out: at('lost') }), 'ERR_ARGUMENT', /a link to what does not/);
    const link = at('link');
    mkdirSync(at('behind-link'));
    symlinkSync(at('behind-link'), link);
    await convertCheckpoint({ ...FROM, out: link });
    expect(existsSync(path.join(at('behind-link'), 'config.json'))).to.equal(true);
    const out = at('aborted');
    await expectRejection(convertCheckpoint({ ...FROM, out, signal: AbortSignal.abort() }), 'ERR_ABORTED');
    const controller = new AbortController();
    const converting = convertCheckpoint({ ...FROM, out, signal: controller.signal });
    setImmediate(() => controller.abort());
    await expectRejection(converting, 'ERR_ABORTED');
    const deep = convertCheckpoint({ ...FROM, tower: FROM.language, out: path.join(out, 'of', 'folders') });
    await expectRejection(deep, 'ERR_UNSUPPORTED', /model_type/);
    expect(readdirSync(path.dirname(out)).filter((name) => name.startsWith('aborted'))).to.deep.equal([]);
  });

  it('leaves alone what came into its folder meanwhile', async () => {
    const out = at('late');
    const converting = convertCheckpoint({ ...FROM, out });
    mkdirSync(out);
    writeFileSync(path.join(out, 'precious.txt'), 'mine');
    await expectRejection(converting, 'ERR_ARGUMENT', /which is not empty$/);
    expect(readdirSync(out)).to.deep.equal(['precious.txt']);
    const [first, second] = await Promise.allSettled(
      [1, 2].map(() => convertCheckpoint({ ...FROM, out: at('twice') })),
    );
    expect([first?.status, second?.status].sort()).to.deep.equal(['fulfilled', 'rejected']);
    const refused = first?.status === 'rejected' ? first : second;
    expect((refused as PromiseRejectedResult).reason).to.have.property('code', 'ERR_ARGUMENT');
    expect(readdirSync(at('.')).filter((name) => name.includes('partial'))).to.deep.equal([]);
    await (await QAViT.load(at('twice'))).close();
  });

  it('says which folder cannot be written', async () => {
    writeFileSync(at('a-file'), '');
    const out = path.join(at('a-file'), 'model');
    const message = new RegExp(`files that can be read and written for converting into ${out} but received E[A-Z]+: `);
    await expectRejection(convertCheckpoint({ ...FROM, out }), 'ERR_ARGUMENT', message);
  });
});
