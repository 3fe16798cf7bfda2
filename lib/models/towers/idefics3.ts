import type { TowerFamily } from './architecture';
import { siglipTower } from './siglip';
import { TowerFields } from './tower-fields';

/** Idefics3VisionConfig's own, and SmolVLMVisionConfig's. */
const DEFAULTS = {
  hidden_size: 1152,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 16,
  image_size: 224,
  patch_size: 32,
  hidden_act: 'gelu_pytorch_tanh',
  layer_norm_eps: 1e-6,
};

/**
 * Idefics3's tower (Laurençon et al. 2024, arXiv 2408.12637): SigLIP's, trained further on pictures of any size, whose patches take the
 * position that their place in the picture has in the table.
 */
export const IDEFICS3_VISION: TowerFamily = {
  modelType: 'idefics3_vision',
  wholes: [],
  describe: (config, path) => ({
    ...siglipTower(new TowerFields(config, path, DEFAULTS)),
    interpolation: 'nearest',
    anySize: true,
  }),
};

/** SmolVLM's (Marafioti et al. 2025, arXiv 2504.05299) is the same. */
export const SMOLVLM_VISION: TowerFamily = { ...IDEFICS3_VISION, modelType: 'smolvlm_vision' };
