import type { VisionLanguageFamily } from './family';
import { towerOf } from './llava';

/** PaliGemmaConfig's own tower, SigLIP so400m/14-224. */
const TOWER = {
  model_type: 'siglip_vision_model',
  hidden_size: 1152,
  intermediate_size: 4096,
  num_hidden_layers: 27,
  num_attention_heads: 16,
  image_size: 224,
  patch_size: 14,
};

/**
 * Beyer et al. 2024, arXiv 2407.07726 (PaliGemma), and Steiner et al. 2024, arXiv 2412.03555 (PaliGemma 2): SigLIP's last state behind its
 * last norm, through one linear map. The language model reads picture and question in both directions, and writes the answer in one.
 */
export const PALIGEMMA: VisionLanguageFamily = {
  name: 'PaliGemma',
  modelType: 'paligemma',
  visionTensors: /(^|\.)(vision_tower|multi_modal_projector)\./,
  describeVision: (config, path) => ({
    tower: towerOf(config.vision_config, `vision_config of ${path}`, TOWER),
    hiddenLayer: -1,
    keepClass: true,
    towerNorm: 'post_layernorm',
    projector: { name: 'multi_modal_projector', maps: ['linear'], bias: true, activation: 'none' },
  }),
  language: {
    model: 'gemma',
    imageToken: 256000,
    // The beginning of the text stands behind the picture.
    prompt: '{image}<bos>{question}\n',
    begun: true,
  },
};
