import { expected } from '../../errors';
import type { Grid } from '../../grid';
import { isJsonObject, type JsonObject } from '../../json-file';
import { positiveInteger } from '../config-values';
import type { VisionLanguageFamily } from './family';

const EDGE = '<fake_token_around_image>';

/**
 * Laurençon et al. 2024, arXiv 2408.12637: the tower's last state behind its last norm; squares of neighbouring patches become one row
 * (pixel shuffle), which one linear map projects. SmolVLM-256M and -500M are of this model_type too.
 */
export const IDEFICS3: VisionLanguageFamily = {
  name: 'Idefics3',
  modelType: 'idefics3',
  visionTensors: /(^|\.)(vision_model|connector)\./,
  describeVision: (config, path) => ({
    tower: towerOf(config.vision_config ?? {}, `vision_config of ${path}`),
    hiddenLayer: -1,
    keepClass: true,
    towerNorm: 'post_layernorm',
    projector: {
      name: 'connector',
      maps: ['modality_projection.proj'],
      bias: false,
      activation: 'none',
      squares: { side: positiveInteger(config.scale_factor ?? 2, `scale_factor of ${path}`), as: 'one row' },
    },
  }),
  language: {
    model: 'llama',
    imageToken: 128257,
    prompt: '<|im_start|>User:{image}{question}<end_of_utterance>\nAssistant:',
    picture: (image, tiles) => `${tiles ? tilesAbove(image, tiles) : ''}${EDGE}<global-img>${image}${EDGE}`,
  },
};

/** Each tile behind its place in the grid, a row a line, and an empty line. */
function tilesAbove(image: string, { rows, columns }: Grid): string {
  const lines = Array.from({ length: rows }, (_, row) =>
    Array.from({ length: columns }, (__, column) => `${EDGE}<row_${row + 1}_col_${column + 1}>${image}`).join(''),
  );
  return `${lines.join('\n')}\n\n`;
}

/** SmolVLM2 (Marafioti et al. 2025, arXiv 2504.05299). */
export const SMOLVLM: VisionLanguageFamily = { ...IDEFICS3, name: 'SmolVLM', modelType: 'smolvlm' };

/** Published files call the tower by the whole model's model_type, or say none. */
function towerOf(config: unknown, where: string): JsonObject {
  if (isJsonObject(config)) return { ...config, model_type: 'idefics3_vision' };
  throw expected('ERR_FORMAT', 'an object', where, config);
}
