/** The vision-language models there are. To add one, describe it in a file beside this one and list it here. */
import type { VisionLanguageFamily } from './family';
import type { JsonObject } from '../../json-file';
import { towerTensors } from '../towers';
import { GEMMA3 } from './gemma3';
import { IDEFICS3, SMOLVLM } from './idefics3';
import { INTERNVL } from './internvl';
import { LLAVA } from './llava';
import { LLAVA_NEXT, LLAVA_ONEVISION } from './llava-next';
import { PALIGEMMA } from './paligemma';
import { QWEN2_VL } from './qwen2-vl';

export type { LanguageHalf, ProjectorShape, VisionHalf, VisionLanguageFamily } from './family';

const FAMILIES: readonly VisionLanguageFamily[] = [
  LLAVA,
  LLAVA_NEXT,
  LLAVA_ONEVISION,
  IDEFICS3,
  SMOLVLM,
  INTERNVL,
  PALIGEMMA,
  GEMMA3,
  QWEN2_VL,
];

/** Every model_type that is one. */
export const VISION_LANGUAGE_MODEL_TYPES = FAMILIES.map(({ modelType }) => modelType);

/** Undefined where a config.json's model_type is something else. */
export function visionLanguageFamily(modelType: unknown): VisionLanguageFamily | undefined {
  return FAMILIES.find((family) => family.modelType === modelType);
}

/** Of a config.json: names of the tensors that are read where somebody wants to see; the others may be elsewhere. Undefined: all. */
export function visionTensors(config: JsonObject): RegExp | undefined {
  return visionLanguageFamily(config.model_type)?.visionTensors ?? towerTensors(config);
}
