import { expected } from '../../errors';
import { isJsonObject, type JsonObject } from '../../json-file';
import { choice, flag, positiveNumber } from '../config-values';
import { activationNamed } from '../towers/tower-fields';
import type { VisionLanguageFamily } from './family';
import { featureLayer } from './feature-layer';

/**
 * Chen et al. 2024, arXiv 2404.16821 (InternVL 1.5), and those after it in the form that transformers has of them: InternViT's last state
 * without its class token, squares of 2 x 2 patches as one row, normed, through two linear maps.
 */
export const INTERNVL: VisionLanguageFamily = {
  name: 'InternVL',
  modelType: 'internvl',
  visionTensors: /(^|\.)(vision_tower|multi_modal_projector)\./,
  describeVision(config, path) {
    const where = (key: string) => `${key} of ${path}`;
    const tower = towerOf(config.vision_config ?? {}, where('vision_config'));
    const hiddenLayer = featureLayer(config.vision_feature_layer ?? -1, where('vision_feature_layer'));
    const pools = flag(tower.use_mean_pooling ?? true, `use_mean_pooling of ${where('vision_config')}`);
    const strategy = config.vision_feature_select_strategy ?? 'default';
    return {
      tower,
      hiddenLayer,
      keepClass: choice(['default', 'full'], strategy, where('vision_feature_select_strategy')) === 'full',
      // Only the last state passes it, and only in towers that do not pool.
      ...(!pools && hiddenLayer === -1 && { towerNorm: 'layernorm' }),
      projector: {
        name: 'multi_modal_projector',
        maps: ['linear_1', 'linear_2'],
        bias: true,
        activation: activationNamed(config.projector_hidden_act ?? 'gelu', where('projector_hidden_act')),
        squares: { side: squareSide(config.downsample_ratio ?? 0.5, where('downsample_ratio')), as: 'one row' },
        norm: { name: 'layer_norm', eps: 1e-5 },
      },
    };
  },
  language: {
    model: 'qwen2',
    imageToken: 151667,
    prompt: '<|im_start|>user\n{image}\n{question}<|im_end|>\n<|im_start|>assistant\n',
    // One place for tiles and whole.
    picture: (image) => `<img>${image}</img>`,
  },
};

function squareSide(ratio: unknown, where: string): number {
  const side = 1 / positiveNumber(ratio, where);
  if (Number.isInteger(side)) return side;
  throw expected('ERR_UNSUPPORTED', '1, 1/2, 1/3, ...', where, ratio);
}

function towerOf(config: unknown, where: string): JsonObject {
  if (isJsonObject(config)) return { ...config, model_type: 'internvl_vision' };
  throw expected('ERR_FORMAT', 'an object', where, config);
}
