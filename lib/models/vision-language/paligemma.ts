import { expected } from '../../errors';
import type { JsonObject } from '../../json-file';
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
    tower: siglipOf(config.vision_config, `vision_config of ${path}`, TOWER),
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
    scaledRows: true,
  },
};

/**
 * @param usual as of `towerOf`
 * @throws QAViTError ERR_UNSUPPORTED for another tower: of CLIP, say, transformers takes the last state as it is, without the last norm
 */
export function siglipOf(fields: unknown, where: string, usual: JsonObject): JsonObject {
  const tower = towerOf(fields, where, usual);
  if (tower.model_type === usual.model_type) return tower;
  throw expected('ERR_UNSUPPORTED', `"${String(usual.model_type)}"`, `model_type in ${where}`, tower.model_type);
}
