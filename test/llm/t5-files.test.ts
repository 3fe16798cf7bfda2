import { expect } from 'chai';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { mock } from 'node:test';
import type { Device } from '../../lib/binding/native';
import * as opening from '../../lib/binding/open-device';
import { QAViTError, type QAViTErrorCode } from '../../lib/errors';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { isT5Folder } from '../../lib/llm/t5/t5-folder';
import { TensorFolder } from '../../lib/weights';
import { expectRejection } from '../support/expect-error';
import { f32, type TensorToWrite, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';
import { addToken, collect, copyFolder, folderOf, someTokens, tensorsOf, type Form } from './support';

describe('T5 files', () => {
  const at = temporaryFolder();
  const load = (dir: string) => loadLanguageModel(dir, { dtype: 'f32' });

  function refuses(
    what: string,
    form: Form,
    damage: (dir: string) => void,
    code: QAViTErrorCode,
    message: RegExp,
  ): void {
    it(`refuses ${what}`, async () => {
      const dir = copyFolder(form, at(what.replaceAll(/\W+/g, '-')));
      damage(dir);
      await expectRejection(load(dir), code, message);
    });
  }
  const removed = (name: string) => (dir: string) => rmSync(path.join(dir, name));
  const cut = (name: string) => (dir: string) => truncateSync(path.join(dir, name), 300);
  const config = (fields: object) => (dir: string) => {
    const file = path.join(dir, 'config.json');
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...fields }));
  };
  const tensors = (change: (all: Record<string, TensorToWrite>) => void) => (dir: string) => {
    const all = tensorsOf(dir);
    change(all);
    writeSafetensors(path.join(dir, 'model.safetensors'), all);
  };

  it('come before ONNX files in a folder of their own, which do where there are no others', async () => {
    const dir = copyFolder('t5-tiny', at('graphs'));
    expect(await isT5Folder(dir)).to.equal(false);
    mkdirSync(path.join(dir, 'onnx'));
    const graphs = readdirSync(dir).filter((name) => name.endsWith('.onnx'));
    for (const name of graphs) renameSync(path.join(dir, name), path.join(dir, 'onnx', name));
    expect(await isT5Folder(dir)).to.equal(false);
    await (await load(dir)).close();
    writeFileSync(path.join(dir, 'model.safetensors'), '');
    expect(await isT5Folder(dir)).to.equal(true);
  });

  it('leaves no file open where there is no such device', async () => {
    const close = mock.method(TensorFolder.prototype, 'close');
    try {
      const loading = loadLanguageModel(folderOf('t5-plain'), { device: 'cuda:99' });
      const error: unknown = await loading.catch((failure: unknown) => failure);
      expect(error).to.be.instanceOf(QAViTError);
      expect(close.mock.callCount()).to.equal(1);
    } finally {
      close.mock.restore();
    }
  });

  it('ends the device that it opened where a parameter is none, or loading is aborted', async () => {
    const dir = copyFolder('t5-plain', at('spoilt'));
    tensors((all) => (all['encoder.final_layer_norm.weight'] = f32([32], new Float32Array(32).fill(NaN))))(dir);
    const devices: Device[] = [];
    const { openDevice } = opening;
    const open = mock.method(opening, 'openDevice', (...of: Parameters<typeof openDevice>) => {
      const device = openDevice(...of);
      devices.push(device);
      return device;
    });
    try {
      await expectRejection(load(dir), 'ERR_FORMAT');
      await expectRejection(loadLanguageModel(folderOf('t5-plain'), { signal: AbortSignal.abort() }), 'ERR_ABORTED');
    } finally {
      open.mock.restore();
    }
    expect(devices).to.have.length(2);
    for (const device of devices) {
      const writing = device.write(new Float32Array(1), { dtype: 'f32', shape: [1, 1, 1] });
      await expectRejection(writing, 'ERR_ARGUMENT', /closed/);
    }
  });

  refuses(
    'a folder without weights',
    't5-plain',
    removed('model.safetensors'),
    'ERR_FORMAT',
    /model\.safetensors, .*pytorch_model\.bin/,
  );
  refuses('a folder without a tokenizer', 't5-plain', removed('tokenizer.json'), 'ERR_FORMAT', /tokenizer\.json/);
  refuses('half of the weights', 't5-plain', cut('model.safetensors'), 'ERR_FORMAT', /model\.safetensors/);
  refuses('half of a checkpoint', 't5-gated', cut('pytorch_model.bin'), 'ERR_FORMAT', /pytorch_model\.bin/);
  refuses('no width', 't5-plain', config({ d_model: undefined }), 'ERR_FORMAT', /d_model of .*config\.json/);
  refuses(
    'another width',
    't5-plain',
    config({ d_model: 16 }),
    'ERR_SHAPE',
    /^Expected \[56, 16\] for tensor shared\.weight of/,
  );
  refuses(
    'more layers',
    't5-plain',
    config({ num_layers: 3 }),
    'ERR_FORMAT',
    /^Expected tensor encoder\.block\.2\.layer\.0/,
  );
  for (const num_layers of [1e15, 4e9]) {
    refuses(
      `${num_layers} layers`,
      't5-plain',
      config({ num_layers }),
      'ERR_FORMAT',
      /^Expected tensor encoder\.block\.2\.layer\.0/,
    );
  }
  refuses('fewer layers', 't5-plain', config({ num_decoder_layers: 1 }), 'ERR_FORMAT', /also decoder\.block\.1/);
  refuses('no layers', 't5-plain', config({ num_layers: 0 }), 'ERR_FORMAT', /num_layers of/);
  refuses('another MLP', 't5-plain', config({ feed_forward_proj: 'gated-gelu' }), 'ERR_FORMAT', /wi_0\.weight/);
  refuses(
    'an unknown activation',
    't5-plain',
    config({ feed_forward_proj: 'swiglu' }),
    'ERR_UNSUPPORTED',
    /feed_forward_proj of .* received "swiglu"/,
  );
  refuses('odd buckets', 't5-plain', config({ relative_attention_num_buckets: 30 }), 'ERR_UNSUPPORTED', /num_buckets/);
  refuses(
    'a distance within the buckets',
    't5-plain',
    config({ relative_attention_max_distance: 16 }),
    'ERR_UNSUPPORTED',
    /max_distance/,
  );
  refuses('an eps below 0', 't5-plain', config({ layer_norm_epsilon: -1 }), 'ERR_FORMAT', /layer_norm_epsilon/);
  refuses(
    'a start beyond the vocabulary',
    't5-plain',
    (dir) => {
      writeFileSync(path.join(dir, 'generation_config.json'), '{"decoder_start_token_id": 56}');
    },
    'ERR_FORMAT',
    /^Expected below 56 for decoder_start_token_id/,
  );
  refuses(
    'a head that is missing',
    't5-plain',
    (dir) => {
      config({ tie_word_embeddings: false })(dir);
      tensors((all) => delete all['lm_head.weight'])(dir);
    },
    'ERR_FORMAT',
    /^Expected tensor lm_head\.weight \[56, 32\]/,
  );
  refuses(
    'a norm of another width',
    't5-plain',
    tensors((all) => {
      all['encoder.final_layer_norm.weight'] = f32([31], new Float32Array(31));
    }),
    'ERR_SHAPE',
    /encoder\.final_layer_norm\.weight/,
  );
  refuses(
    'a number that is none',
    't5-plain',
    tensors((all) => {
      all['encoder.final_layer_norm.weight'] = f32([32], new Float32Array(32).fill(NaN));
    }),
    'ERR_FORMAT',
    /finite numbers for .*encoder\.final_layer_norm\.weight/,
  );
  refuses(
    'rules that are not known',
    't5-plain',
    (dir) => {
      writeFileSync(path.join(dir, 'generation_config.json'), '{"encoder_no_repeat_ngram_size": 3}');
    },
    'ERR_UNSUPPORTED',
    /encoder_no_repeat_ngram_size/,
  );

  for (const form of ['t5-plain', 't5-tiny'] as const) {
    it(`says that a tokenizer has a token more than the model: ${form}`, async () => {
      const dir = copyFolder(form, at(`tokens-${form}`));
      addToken(dir, { id: 56, content: 'zebra' });
      const model = await load(dir);
      const message =
        /^Expected token ids below 56 \(vocab_size of config\.json\) for .*tokenizer\.json.* but received 56$/;
      const how = { features: 'encoder', normalization: 'none', maxTokens: 9 } as const;
      await expectRejection(collect(model, someTokens(), 'what zebra?'), 'ERR_FORMAT', message);
      await expectRejection(model.encodeQuestion('what zebra?', how), 'ERR_FORMAT', message);
      expect((await model.encodeQuestion('what?', how)).shape[0]).to.be.greaterThan(1);
      await model.close();
    });
  }

  it('takes ONNX files first', async () => {
    const dir = copyFolder('t5-tiny', at('both'));
    writeFileSync(path.join(dir, 'model.safetensors'), 'nothing');
    await (await load(dir)).close();
  });
});
