import { expected } from '../../errors';
import { isJsonObject, type JsonObject } from '../../json-file';
import { positiveInteger } from '../config-values';
import type { VisionLanguageFamily } from './family';

/**
 * Wang et al. 2024, arXiv 2409.12191: pictures in their own shapes; the tower's last state, normed, squares of 2 x 2 patches as one row
 * through two linear maps. The language model is told of each row of a picture in which line and column it is.
 */
export const QWEN2_VL: VisionLanguageFamily = {
  name: 'Qwen2-VL',
  modelType: 'qwen2_vl',
  visionTensors: /(^|\.)visual\./,
  describeVision(config, path) {
    const where = `vision_config of ${path}`;
    const tower = towerOf(config.vision_config ?? {}, where);
    const side = positiveInteger(tower.spatial_merge_size ?? 2, `spatial_merge_size in ${where}`);
    return {
      tower,
      hiddenLayer: -1,
      keepClass: true,
      projector: {
        name: 'merger',
        maps: ['mlp.0', 'mlp.2'],
        bias: true,
        activation: 'gelu_erf',
        squares: { side, as: 'one row' },
        norm: { name: 'ln_q', eps: 1e-6, kind: 'of patches' },
      },
    };
  },
  language: {
    model: 'qwen2_vl_text',
    flat: true,
    imageToken: 151655,
    prompt:
      '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' +
      '<|im_start|>user\n<|vision_start|>{image}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n',
    placedRows: true,
  },
};

/** Files of before transformers 5 call the tower by the whole model's model_type, or say none. */
function towerOf(config: unknown, where: string): JsonObject {
  if (isJsonObject(config)) return { ...config, model_type: 'qwen2_vl_vision' };
  throw expected('ERR_FORMAT', 'an object', where, config);
}
