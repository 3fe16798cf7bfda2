import { expectedButFound } from '../../errors';
import type { JsonObject } from '../../json-file';
import { positiveInteger, positiveNumber } from '../config-values';
import type { VisionLanguageFamily } from './family';
import { siglipOf } from './paligemma';

/** Of SiglipVisionConfig, where a file leaves them out. */
const TOWER = { model_type: 'siglip_vision_model', image_size: 224, patch_size: 16, layer_norm_eps: 1e-6 };

/**
 * Gemma team 2025, arXiv 2503.19786 (Gemma 3): SigLIP's last state behind its last norm; the means of squares of patches, normed, through
 * one linear map. Rows of a picture see each other in both directions.
 */
export const GEMMA3: VisionLanguageFamily = {
  name: 'Gemma 3',
  modelType: 'gemma3',
  visionTensors: /(^|\.)(vision_tower|multi_modal_projector)\./,
  describeVision(config, path) {
    const vision = `vision_config of ${path}`;
    const tower = { ...TOWER, ...siglipOf(config.vision_config, vision, TOWER) };
    return {
      tower,
      hiddenLayer: -1,
      keepClass: true,
      towerNorm: 'post_layernorm',
      projector: {
        name: 'multi_modal_projector',
        maps: ['mm_input_projection_weight'],
        bias: false,
        transposed: true,
        activation: 'none',
        squares: { side: squareSide(tower, config.mm_tokens_per_image ?? 256, path), as: 'mean' },
        norm: {
          name: 'mm_soft_emb_norm',
          eps: positiveNumber(tower.layer_norm_eps, `layer_norm_eps of ${vision}`),
          kind: 'rms',
        },
      },
    };
  },
  language: {
    model: 'gemma3_text',
    imageToken: 262144,
    // Of models that have not learned to chat.
    prompt: '{image}{question}',
    inTemplates: '<start_of_image>',
    picture: (image) => `\n\n<start_of_image>${image}<end_of_image>\n\n`,
    typedRows: true,
  },
};

/** Side of the squares of patches that make a picture's tokens. */
function squareSide({ image_size: image, patch_size: patch }: JsonObject, wanted: unknown, path: string): number {
  const patches = Math.floor(
    positiveInteger(image, `image_size of vision_config of ${path}`) /
      positiveInteger(patch, `patch_size of vision_config of ${path}`),
  );
  const tokens = positiveInteger(wanted, `mm_tokens_per_image of ${path}`);
  const side = patches / Math.sqrt(tokens);
  if (Number.isInteger(side) && side > 0) return side;
  const what = `the square of a divisor of ${patches}, the patches a side,`;
  throw expectedButFound('ERR_UNSUPPORTED', what, `mm_tokens_per_image of ${path}`, String(tokens));
}
