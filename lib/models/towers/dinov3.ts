import { expected } from '../../errors';
import type { TowerFamily } from './architecture';
import { TowerFields } from './tower-fields';

/** DINOv3ViTConfig's own (ViT-S/16). */
const DEFAULTS = {
  hidden_size: 384,
  intermediate_size: 1536,
  num_hidden_layers: 12,
  num_attention_heads: 6,
  image_size: 224,
  patch_size: 16,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-5,
  num_register_tokens: 0,
  rope_theta: 100,
  query_bias: true,
  key_bias: false,
  value_bias: true,
  proj_bias: true,
  mlp_bias: true,
  use_gated_mlp: false,
};

/** Siméoni et al. 2025, arXiv 2508.10104: no position table; queries and keys of patches are turned by where they are. */
export const DINOV3: TowerFamily = {
  modelType: 'dinov3_vit',
  wholes: [],
  describe(config, path) {
    const fields = new TowerFields(config, path, DEFAULTS);
    for (const bias of ['proj_bias', 'mlp_bias']) {
      if (!fields.flag(bias)) throw expected('ERR_UNSUPPORTED', 'true', fields.where(bias), false);
    }
    const shape = fields.turnedShape();
    const registers = fields.registers();
    const gated = fields.flag('use_gated_mlp');
    return {
      family: 'DINOv3',
      ...shape,
      gatedMlp: gated,
      qkvBias: [fields.flag('query_bias'), fields.flag('key_bias'), fields.flag('value_bias')],
      registers,
      rotary: { base: fields.number('rope_theta'), places: 'relative' },
      anySize: true,
      names: {
        kernels: 'embeddings.patch_embeddings.weight',
        kernelBias: 'embeddings.patch_embeddings.bias',
        classToken: 'embeddings.cls_token',
        ...(registers > 0 && { registers: 'embeddings.register_tokens' }),
        layers: 'layer',
        layer: {
          qkv: ['attention.q_proj', 'attention.k_proj', 'attention.v_proj'],
          output: 'attention.o_proj',
          outputScale: 'layer_scale1.lambda1',
          norm1: 'norm1',
          norm2: 'norm2',
          fc1: gated ? ['mlp.gate_proj', 'mlp.up_proj'] : 'mlp.up_proj',
          fc2: 'mlp.down_proj',
          fc2Scale: 'layer_scale2.lambda1',
        },
        notNeeded: /^(norm\.|embeddings\.(mask|register)_tokens?$)/,
      },
    };
  },
};
