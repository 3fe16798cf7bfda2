import type { TowerFamily } from './architecture';
import { CLIP_LAYER } from './clip';
import { TowerFields } from './tower-fields';

/** Blip2VisionConfig's own (EVA ViT-g/14). */
const DEFAULTS = {
  hidden_size: 1408,
  intermediate_size: 6144,
  num_hidden_layers: 39,
  num_attention_heads: 16,
  image_size: 224,
  patch_size: 14,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-6,
  qkv_bias: true,
};

/** EVA ViT-g (Fang et al. 2022, arXiv 2211.07636) as BLIP-2 and InstructBLIP have it: one layer less, heads of 88. */
export const BLIP2: TowerFamily = {
  modelType: 'blip_2_vision_model',
  wholes: ['blip-2'],
  describe(config, path) {
    const fields = new TowerFields(config, path, DEFAULTS);
    return {
      family: 'EVA ViT-g (BLIP-2)',
      ...fields.shape(),
      qkvBias: fields.flag('qkv_bias'),
      registers: 0,
      interpolation: 'bicubic',
      anySize: false,
      names: {
        kernels: 'embeddings.patch_embedding.weight',
        kernelBias: 'embeddings.patch_embedding.bias',
        classToken: 'embeddings.class_embedding',
        positions: 'embeddings.position_embedding',
        layers: 'encoder.layers',
        // The file has a bias for keys too: it is zero.
        layer: { ...CLIP_LAYER, qkv: 'self_attn.qkv', output: 'self_attn.projection' },
        notNeeded: /^post_layernorm\./,
      },
    };
  },
};

/** InstructBLIP's (Dai et al. 2023, arXiv 2305.06500) is the same. */
export const INSTRUCTBLIP: TowerFamily = {
  ...BLIP2,
  modelType: 'instructblip_vision_model',
  wholes: ['instructblip'],
};
