import { expected } from '../../errors';
import type { TowerFamily } from './architecture';
import { siglipTower } from './siglip';
import { TowerFields } from './tower-fields';

/** Siglip2VisionConfig's own (base-patch16-naflex). */
const DEFAULTS = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  num_patches: 256,
  patch_size: 16,
  hidden_act: 'gelu_pytorch_tanh',
  layer_norm_eps: 1e-6,
};

/**
 * SigLIP 2 for pictures in shapes of their own (NaFlex; Tschannen et al. 2025, arXiv 2502.14786): SigLIP's transformer, whose patches go
 * through a linear map, and whose position table, made for a square, is interpolated for every shape. In fixed resolutions SigLIP 2 is
 * called `siglip`.
 */
export const SIGLIP2: TowerFamily = {
  modelType: 'siglip2_vision_model',
  wholes: ['siglip2'],
  describe(config, path) {
    const given = new TowerFields(config, path, DEFAULTS);
    const [patches, patch] = [given.integer('num_patches'), given.integer('patch_size')];
    const side = Math.sqrt(patches);
    if (!Number.isInteger(side)) throw expected('ERR_FORMAT', 'a square', given.where('num_patches'), patches);
    const fields = new TowerFields({ ...config, image_size: side * patch }, path, DEFAULTS);
    const { names, ...tower } = siglipTower(fields);
    return {
      ...tower,
      family: 'SigLIP 2',
      interpolation: 'bilinear-antialiased',
      anySize: true,
      names: { ...names, kernelsOver: 'pixels' },
    };
  },
};
