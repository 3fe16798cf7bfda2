import type { TowerFamily } from './architecture';
import { axialRotary } from './axial-rotary';
import { TowerFields } from './tower-fields';

/** Qwen2VLVisionConfig's own; that of all sizes of Qwen2-VL. */
const DEFAULTS = {
  depth: 32,
  embed_dim: 1280,
  hidden_act: 'quick_gelu',
  mlp_ratio: 4,
  num_heads: 16,
  in_channels: 3,
  patch_size: 14,
  spatial_merge_size: 2,
  temporal_patch_size: 2,
};

/** `hidden_size` is its language model's. */
const SPELLED = {
  hidden_size: 'embed_dim',
  num_hidden_layers: 'depth',
  num_attention_heads: 'num_heads',
  num_channels: 'in_channels',
};

/** Patches a side of a picture whose size nothing says: about as many as its processor makes at most. */
const SIDE = 70;

/**
 * Qwen2-VL's (Wang et al. 2024, arXiv 2409.12191): no position table, queries and keys of patches are turned by their rows and columns;
 * pictures keep their shapes. It reads films of two frames at a time, which for a picture are the same.
 */
export const QWEN2_VL_VISION: TowerFamily = {
  modelType: 'qwen2_vl_vision',
  wholes: [],
  describe(config, path) {
    const given = new TowerFields(config, path, DEFAULTS, SPELLED);
    // Neither is its file's to say.
    const fixed = { image_size: SIDE * given.integer('patch_size'), layer_norm_eps: 1e-6 };
    const fields = new TowerFields({ ...config, ...fixed }, path, DEFAULTS, SPELLED);
    const mlpWidth = Math.trunc(fields.integer('hidden_size') * fields.number('mlp_ratio'));
    return {
      family: 'Qwen2-VL ViT',
      ...fields.turnedShape(mlpWidth),
      qkvBias: true,
      registers: 0,
      rotary: axialRotary(config.rope_parameters, path),
      anySize: true,
      squares: fields.integer('spatial_merge_size'),
      names: {
        kernels: 'patch_embed.proj.weight',
        kernelsOver: { frames: fields.integer('temporal_patch_size') },
        layers: 'blocks',
        layer: {
          norm1: 'norm1',
          qkv: 'attn.qkv',
          output: 'attn.proj',
          norm2: 'norm2',
          fc1: 'mlp.fc1',
          fc2: 'mlp.fc2',
        },
        notNeeded: /^merger\./,
      },
    };
  },
};
