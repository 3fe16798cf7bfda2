import type { TowerArchitecture, TowerFamily } from './architecture';
import { CLIP_LAYER } from './clip';
import { TowerFields } from './tower-fields';

/** SiglipVisionConfig's own (base-patch16-224). */
const DEFAULTS = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  image_size: 224,
  patch_size: 16,
  hidden_act: 'gelu_pytorch_tanh',
  layer_norm_eps: 1e-6,
};

/**
 * SigLIP (Zhai et al. 2023, arXiv 2303.15343), and SigLIP 2 in fixed resolutions, which is the same transformer. Its attention pooling
 * comes after the hidden states and is left out.
 */
export const SIGLIP: TowerFamily = {
  modelType: 'siglip_vision_model',
  wholes: ['siglip'],
  describe: (config, path) => siglipTower(new TowerFields(config, path, DEFAULTS)),
};

/** Of its sizes. */
export function siglipTower(fields: TowerFields): TowerArchitecture {
  return {
    family: 'SigLIP',
    ...fields.shape(),
    qkvBias: true,
    registers: 0,
    interpolation: 'bicubic',
    anySize: false,
    names: {
      kernels: 'embeddings.patch_embedding.weight',
      kernelBias: 'embeddings.patch_embedding.bias',
      positions: 'embeddings.position_embedding.weight',
      layers: 'encoder.layers',
      layer: CLIP_LAYER,
      notNeeded: /^(post_layernorm\.|head\.|embeddings\.position_ids$)/,
    },
  };
}
