import type { LayerNames, TowerFamily } from './architecture';
import { TowerFields } from './tower-fields';

/** CLIPVisionConfig's own (ViT-B/32). */
const DEFAULTS = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 224,
  patch_size: 32,
  hidden_act: 'quick_gelu',
  layer_norm_eps: 1e-5,
};

/** Shared by the towers that transformers wrote after CLIP's pattern. */
export const CLIP_LAYER: LayerNames = {
  norm1: 'layer_norm1',
  qkv: ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
  output: 'self_attn.out_proj',
  norm2: 'layer_norm2',
  fc1: 'mlp.fc1',
  fc2: 'mlp.fc2',
};

/** Radford et al. 2021, arXiv 2103.00020; OpenAI's weights, and LAION's with the exact GELU. */
export const CLIP: TowerFamily = {
  modelType: 'clip_vision_model',
  wholes: ['clip'],
  describe: (config, path) => ({
    family: 'CLIP',
    ...new TowerFields(config, path, DEFAULTS).shape(),
    qkvBias: true,
    registers: 0,
    interpolation: 'bicubic',
    anySize: false,
    names: {
      kernels: 'embeddings.patch_embedding.weight',
      classToken: 'embeddings.class_embedding',
      positions: 'embeddings.position_embedding.weight',
      preNorm: 'pre_layrnorm', // the checkpoints' own spelling
      layers: 'encoder.layers',
      layer: CLIP_LAYER,
      notNeeded: /^(post_layernorm\.(weight|bias)|embeddings\.position_ids)$/,
    },
  }),
};
