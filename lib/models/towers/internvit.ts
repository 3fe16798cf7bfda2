import { expected } from '../../errors';
import type { TowerFamily } from './architecture';
import { TowerFields } from './tower-fields';
import { VIT_EMBEDDINGS } from './vit';

/** InternVLVisionConfig's own (InternViT-300M). */
const DEFAULTS = {
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  image_size: 448,
  patch_size: 14,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-6,
  attention_bias: false,
  use_qk_norm: false,
  use_absolute_position_embeddings: true,
};

/**
 * InternViT (Chen et al. 2023, arXiv 2312.14238) in the form that transformers has of it in InternVL: the 300M of the small models. The
 * 6B, with RMS norms and normed queries and keys, is refused.
 */
export const INTERNVIT: TowerFamily = {
  modelType: 'internvl_vision',
  wholes: [],
  describe(config, path) {
    const fields = new TowerFields(config, path, DEFAULTS);
    const norm = config.norm_type ?? 'layer_norm';
    if (norm !== 'layer_norm') throw expected('ERR_UNSUPPORTED', 'layer_norm', fields.where('norm_type'), norm);
    if (fields.flag('use_qk_norm')) throw expected('ERR_UNSUPPORTED', 'false', fields.where('use_qk_norm'), true);
    const positions = 'use_absolute_position_embeddings';
    if (!fields.flag(positions)) throw expected('ERR_UNSUPPORTED', 'true', fields.where(positions), false);
    return {
      family: 'InternViT',
      ...fields.shape(),
      qkvBias: fields.flag('attention_bias'),
      registers: 0,
      interpolation: 'bicubic',
      anySize: false,
      names: {
        ...VIT_EMBEDDINGS,
        layer: {
          norm1: 'layernorm_before',
          qkv: ['attention.q_proj', 'attention.k_proj', 'attention.v_proj'],
          output: 'attention.projection_layer',
          outputScale: 'lambda_1',
          norm2: 'layernorm_after',
          fc1: 'mlp.fc1',
          fc2: 'mlp.fc2',
          fc2Scale: 'lambda_2',
        },
        notNeeded: /^(layernorm\.|embeddings\.mask_token$)/,
      },
    };
  },
};
