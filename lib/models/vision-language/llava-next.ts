import { expected } from '../../errors';
import type { VisionHalf, VisionLanguageFamily } from './family';
import { LLAVA, towerOf } from './llava';

const NEWLINE = 'image_newline';

/** One place for the rows of tiles and whole. */
const picture = (image: string): string => image;

/**
 * Liu et al. 2024 (LLaVA-NeXT, or LLaVA-1.6): LLaVA-1.5 with a learned row behind each line of patches; the tiles of a picture are read as
 * one picture, without its borders.
 */
export const LLAVA_NEXT: VisionLanguageFamily = {
  ...LLAVA,
  name: 'LLaVA-NeXT',
  modelType: 'llava_next',
  visionTensors: /(^|\.)(vision_tower\.|multi_modal_projector\.|image_newline$)/,
  describeVision: (config, path) => withLines(LLAVA.describeVision(config, path), {}),
  language: { ...LLAVA.language, picture },
};

/** The tower where config.json has none: SigLIP so400m/14-384 without its last layer. */
const ONEVISION_TOWER = {
  model_type: 'siglip_vision_model',
  hidden_size: 1152,
  intermediate_size: 4304,
  num_hidden_layers: 26,
  num_attention_heads: 16,
  image_size: 384,
  patch_size: 14,
};

/** Li et al. 2024, arXiv 2408.03326: the same from SigLIP's last state; large pictures are scaled down to as many rows as so many tiles have. */
export const LLAVA_ONEVISION: VisionLanguageFamily = {
  ...LLAVA_NEXT,
  name: 'LLaVA-OneVision',
  modelType: 'llava_onevision',
  describeVision(config, path) {
    const fields = {
      ...config,
      vision_config: towerOf(config.vision_config, `vision_config of ${path}`, ONEVISION_TOWER),
      vision_feature_layer: config.vision_feature_layer ?? -1,
      vision_feature_select_strategy: config.vision_feature_select_strategy ?? 'full',
    };
    const mostTiles = mostTilesOf(config.vision_aspect_ratio ?? 'anyres_max_9', `vision_aspect_ratio of ${path}`);
    return withLines(LLAVA.describeVision(fields, path), { mostTiles });
  },
  language: {
    model: 'qwen2',
    imageToken: 151646,
    prompt: '<|im_start|>user {image}\n{question}<|im_end|><|im_start|>assistant\n',
    picture,
  },
};

function withLines(half: VisionHalf, lines: { mostTiles?: number }): VisionHalf {
  return { ...half, projector: { ...half.projector, lines: { newline: NEWLINE, ...lines } } };
}

function mostTilesOf(value: unknown, where: string): number {
  const [, most] = (typeof value === 'string' && /^anyres_max_([1-9]\d{0,2})$/.exec(value)) || [];
  if (most !== undefined) return Number(most);
  throw expected('ERR_UNSUPPORTED', '"anyres_max_9" or another number', where, value);
}
