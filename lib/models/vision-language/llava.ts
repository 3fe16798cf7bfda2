import { expected } from '../../errors';
import { isJsonObject, type JsonObject } from '../../json-file';
import { choice, flag } from '../config-values';
import { activationNamed } from '../towers/tower-fields';
import type { VisionLanguageFamily } from './family';
import { featureLayer } from './feature-layer';

/** LlavaConfig's own tower, which is CLIP ViT-L/14-336. */
const TOWER = {
  model_type: 'clip_vision_model',
  hidden_size: 1024,
  intermediate_size: 4096,
  num_hidden_layers: 24,
  num_attention_heads: 16,
  image_size: 336,
  patch_size: 14,
};

/**
 * Liu et al. 2023, arXiv 2310.03744 (LLaVA-1.5): a tower's second last state without its class token, through two linear maps, in the
 * place of the image token. Models of other towers and languages with this model_type are the same with other fields.
 */
export const LLAVA: VisionLanguageFamily = {
  name: 'LLaVA',
  modelType: 'llava',
  visionTensors: /(^|\.)(vision_tower|multi_modal_projector)\./,
  describeVision(config, path) {
    const where = (key: string) => `${key} of ${path}`;
    const strategy = config.vision_feature_select_strategy ?? 'default';
    return {
      tower: towerOf(config.vision_config, where('vision_config'), TOWER),
      hiddenLayer: featureLayer(config.vision_feature_layer ?? -2, where('vision_feature_layer')),
      keepClass: choice(['default', 'full'], strategy, where('vision_feature_select_strategy')) === 'full',
      projector: {
        name: 'multi_modal_projector',
        maps: ['linear_1', 'linear_2'],
        bias: flag(config.multimodal_projector_bias ?? true, where('multimodal_projector_bias')),
        activation: activationNamed(config.projector_hidden_act ?? 'gelu', where('projector_hidden_act')),
      },
    };
  },
  // Vicuna's way of asking, which LLaVA-1.5 was trained with.
  language: { model: 'llama', imageToken: 32000, prompt: 'USER: {image}\n{question} ASSISTANT:' },
};

/** @param usual the tower where there are no fields; the model_type is that of fields which say none, too */
export function towerOf(fields: unknown, where: string, usual: JsonObject): JsonObject {
  if (fields === undefined || fields === null) return usual;
  if (!isJsonObject(fields)) throw expected('ERR_FORMAT', 'an object', where, fields);
  return { ...fields, model_type: fields.model_type ?? usual.model_type };
}
