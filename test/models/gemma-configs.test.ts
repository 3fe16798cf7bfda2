/** What the published config.json of PaliGemmas and Gemma 3 say, and leave out because it equals the defaults of transformers' classes. */
import { expect } from 'chai';
import { JsonFields } from '../../lib/json-fields';
import { readModelConfig } from '../../lib/llm/model-config';
import { describeFolder } from '../../lib/models/vision-language/describe-folder';
import { writeJson } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const SO400M = {
  hidden_size: 1152,
  intermediate_size: 4304,
  model_type: 'siglip_vision_model',
  num_attention_heads: 16,
  num_hidden_layers: 27,
  patch_size: 14,
  vision_use_head: false,
};

const PUBLISHED = {
  'paligemma-3b-pt-224': {
    hidden_size: 2048,
    image_token_index: 257152,
    model_type: 'paligemma',
    projection_dim: 2048,
    text_config: { hidden_size: 2048, model_type: 'gemma', num_image_tokens: 256, vocab_size: 257216 },
    vision_config: { ...SO400M, num_image_tokens: 256, projection_dim: 2048, projector_hidden_act: 'gelu_fast' },
  },
  'gemma-3-4b-it': {
    boi_token_index: 255999,
    eoi_token_index: 256000,
    eos_token_id: [1, 106],
    image_token_index: 262144,
    mm_tokens_per_image: 256,
    model_type: 'gemma3',
    text_config: { hidden_size: 2560, model_type: 'gemma3_text', sliding_window: 1024 },
    vision_config: { ...SO400M, image_size: 896 },
  },
};

describe('config.json of PaliGemma and Gemma 3', () => {
  const at = temporaryFolder();
  const languageOf = async (json: object) => {
    writeJson(at('config.json'), json);
    return readModelConfig(await JsonFields.read(at('config.json')));
  };

  it('is read as it is published', async () => {
    const wanted = {
      width: 1152,
      mlpWidth: 4304,
      layers: 27,
      heads: 16,
      patch: 14,
      activation: 'gelu_tanh',
      eps: 1e-6,
    };
    const paligemma = PUBLISHED['paligemma-3b-pt-224'];
    const small = describeFolder(paligemma, 'config.json');
    expect(small.architecture).to.include({ ...wanted, family: 'SigLIP', image: 224 });
    expect(small.whole?.vision).to.deep.include({ hiddenLayer: -1, keepClass: true, towerNorm: 'post_layernorm' });
    expect(await languageOf(paligemma)).to.include({
      width: 2048,
      vocabularySize: 257216,
      positions: 8192,
      imageToken: 257152,
    });
    const gemma3 = PUBLISHED['gemma-3-4b-it'];
    const large = describeFolder(gemma3, 'config.json');
    expect(large.architecture).to.include({ ...wanted, family: 'SigLIP', image: 896 });
    expect(large.whole?.vision.projector).to.deep.include({
      squares: { side: 4, as: 'mean' },
      norm: { name: 'mm_soft_emb_norm', eps: 1e-6, kind: 'rms' },
    });
    expect(await languageOf(gemma3)).to.include({
      width: 2560,
      vocabularySize: 262208,
      positions: 131072,
      imageToken: 262144,
    });
  });

  it('takes the defaults of their classes where it says less', async () => {
    const tower = describeFolder({ model_type: 'paligemma' }, 'config.json').architecture;
    // PaliGemmaConfig's own tower, with another MLP than the published ones.
    expect(tower).to.include({ width: 1152, mlpWidth: 4096, layers: 27, heads: 16, image: 224, patch: 14 });
    const bare = { model_type: 'gemma3', vision_config: { image_size: 512 } };
    const { architecture, whole } = describeFolder(bare, 'config.json');
    expect(architecture).to.include({ width: 768, layers: 12, patch: 16, eps: 1e-6 });
    expect(whole?.vision.projector).to.deep.include({
      squares: { side: 2, as: 'mean' },
      norm: { name: 'mm_soft_emb_norm', eps: 1e-6, kind: 'rms' },
    });
    expect(await languageOf(bare)).to.include({ width: 2304, vocabularySize: 262208, imageToken: 262144 });
  });
});
