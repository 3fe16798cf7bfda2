import { expected } from '../../errors';
import type { JsonObject } from '../../json-file';
import type { TowerArchitecture, TowerFamily } from './architecture';
import { axialRotary } from './axial-rotary';
import { TowerFields } from './tower-fields';

/** Qwen3VLVisionConfig's own, and those of the later ones. */
const DEFAULTS = {
  depth: 27,
  hidden_size: 1152,
  intermediate_size: 4304,
  hidden_act: 'gelu_pytorch_tanh',
  num_heads: 16,
  in_channels: 3,
  patch_size: 16,
  spatial_merge_size: 2,
  temporal_patch_size: 2,
  num_position_embeddings: 2304,
};

const SPELLED = { num_hidden_layers: 'depth', num_attention_heads: 'num_heads', num_channels: 'in_channels' };

/**
 * Qwen3-VL's (Bai et al. 2025, arXiv 2511.21631), and Qwen3.5's, which is the same without the states that its language model is given on
 * the way: SigLIP 2's transformer with queries and keys turned by rows and columns beside a position table for a square, whose corners
 * are every picture's corners. Pictures keep their shapes. Two frames of a film make a patch, which for a picture are the same.
 */
function familyOf(modelType: string, family: string): TowerFamily {
  return { modelType, wholes: [], describe: (config, path) => describe(family, config, path) };
}

export const QWEN3_VL_VISION = familyOf('qwen3_vl_vision', 'Qwen3-VL ViT');
export const QWEN3_VL_MOE_VISION = familyOf('qwen3_vl_moe_vision', 'Qwen3-VL ViT');
export const QWEN3_5_VISION = familyOf('qwen3_5_vision', 'Qwen3.5 ViT');
export const QWEN3_5_MOE_VISION = familyOf('qwen3_5_moe_vision', 'Qwen3.5 ViT');

function describe(family: string, config: JsonObject, path: string): TowerArchitecture {
  const given = new TowerFields(config, path, DEFAULTS, SPELLED);
  const [entries, patch] = [given.integer('num_position_embeddings'), given.integer('patch_size')];
  const side = Math.sqrt(entries);
  if (!Number.isInteger(side))
    throw expected('ERR_FORMAT', 'a square', given.where('num_position_embeddings'), entries);
  // Neither is its file's to say.
  const fixed = { image_size: side * patch, layer_norm_eps: 1e-6 };
  const fields = new TowerFields({ ...config, ...fixed }, path, DEFAULTS, SPELLED);
  return {
    family,
    ...fields.turnedShape(),
    qkvBias: true,
    registers: 0,
    interpolation: 'bilinear-aligned',
    rotary: axialRotary(config.rope_parameters, path),
    anySize: true,
    squares: fields.integer('spatial_merge_size'),
    names: {
      kernels: 'patch_embed.proj.weight',
      kernelsOver: { frames: fields.integer('temporal_patch_size') },
      kernelBias: 'patch_embed.proj.bias',
      positions: 'pos_embed.weight',
      layers: 'blocks',
      layer: {
        norm1: 'norm1',
        qkv: 'attn.qkv',
        output: 'attn.proj',
        norm2: 'norm2',
        fc1: 'mlp.linear_fc1',
        fc2: 'mlp.linear_fc2',
      },
      notNeeded: /^(merger|deepstack_merger_list)\./,
    },
  };
}
