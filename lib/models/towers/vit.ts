import type { LayerNames, TowerFamily, TowerNames } from './architecture';
import { TowerFields } from './tower-fields';

/** ViTConfig's own (base-patch16-224). */
const DEFAULTS = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 224,
  patch_size: 16,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  qkv_bias: true,
};

/** Shared by the towers that transformers wrote after ViT's pattern. */
export const VIT_EMBEDDINGS = {
  kernels: 'embeddings.patch_embeddings.projection.weight',
  kernelBias: 'embeddings.patch_embeddings.projection.bias',
  classToken: 'embeddings.cls_token',
  positions: 'embeddings.position_embeddings',
  layers: 'encoder.layer',
} satisfies Partial<TowerNames>;

export const VIT_ATTENTION = {
  qkv: ['attention.attention.query', 'attention.attention.key', 'attention.attention.value'],
  output: 'attention.output.dense',
} satisfies Partial<LayerNames>;

/** Dosovitskiy et al. 2020, arXiv 2010.11929. */
export const VIT: TowerFamily = {
  modelType: 'vit',
  wholes: [],
  describe(config, path) {
    const fields = new TowerFields(config, path, DEFAULTS);
    return {
      family: 'ViT',
      ...fields.shape(),
      qkvBias: fields.flag('qkv_bias'),
      registers: 0,
      interpolation: 'bicubic',
      anySize: false,
      names: {
        ...VIT_EMBEDDINGS,
        layer: {
          ...VIT_ATTENTION,
          norm1: 'layernorm_before',
          norm2: 'layernorm_after',
          fc1: 'intermediate.dense',
          fc2: 'output.dense',
        },
        notNeeded: /^(layernorm\.|pooler\.|embeddings\.mask_token$)/,
      },
    };
  },
};
