/** The towers there are. To add one, describe it in a file beside this one and list it here. */
import { expected } from '../../errors';
import { isJsonObject, type JsonObject } from '../../json-file';
import { unknownModel } from '../unknown-model';
import type { TowerArchitecture, TowerFamily } from './architecture';
import { BLIP2, INSTRUCTBLIP } from './blip2';
import { CLIP } from './clip';
import { DINOV2, DINOV2_WITH_REGISTERS } from './dinov2';
import { DINOV3 } from './dinov3';
import { IDEFICS3_VISION, SMOLVLM_VISION } from './idefics3';
import { INTERNVIT } from './internvit';
import { QWEN2_VL_VISION } from './qwen2-vl';
import { QWEN3_5_MOE_VISION, QWEN3_5_VISION, QWEN3_VL_MOE_VISION, QWEN3_VL_VISION } from './qwen3-vl';
import { SIGLIP } from './siglip';
import { SIGLIP2 } from './siglip2';
import { VIT } from './vit';

export type { Rotary, TowerArchitecture } from './architecture';

const FAMILIES: readonly TowerFamily[] = [
  CLIP,
  SIGLIP,
  SIGLIP2,
  VIT,
  DINOV2,
  DINOV2_WITH_REGISTERS,
  DINOV3,
  BLIP2,
  INSTRUCTBLIP,
  INTERNVIT,
  IDEFICS3_VISION,
  SMOLVLM_VISION,
  QWEN2_VL_VISION,
  QWEN3_VL_VISION,
  QWEN3_VL_MOE_VISION,
  QWEN3_5_VISION,
  QWEN3_5_MOE_VISION,
];

/** Every model_type that means a tower. */
export const TOWER_MODEL_TYPES = FAMILIES.flatMap(({ modelType, wholes }) => [...wholes, modelType]);

/** Whether a config.json describes a tower, or a model with one. */
export function isTowerConfig({ model_type: type }: JsonObject): boolean {
  return TOWER_MODEL_TYPES.some((known) => known === type);
}

/** What whole models call the tensors of their vision halves. */
const VISION_HALF = /(^|\.)vision_(model|tower)\./;

/** The names of a tower's tensors among those of the model that it is part of; undefined for a tower alone. */
export function towerTensors({ model_type: type }: JsonObject): RegExp | undefined {
  const isWhole = FAMILIES.some(({ wholes }) => wholes.some((known) => known === type));
  return isWhole ? VISION_HALF : undefined;
}

/**
 * Reads the config.json of a vision tower, or the vision half of a whole model's.
 *
 * @throws QAViTError ERR_UNSUPPORTED for another architecture, ERR_FORMAT for a field that makes no sense
 */
export function describeTower(json: JsonObject, path: string): TowerArchitecture {
  const type = json.model_type;
  const family = FAMILIES.find(({ modelType, wholes }) => [modelType, ...wholes].some((known) => known === type));
  if (!family) throw unknownModel(`one of ${TOWER_MODEL_TYPES.join(', ')}`, `model_type of ${path}`, type);
  if (type === family.modelType) return family.describe(json, path);
  // Files of before 2023 hold the whole of it twice, and where they differ the copy counts.
  const key = isPresent(json.vision_config_dict) ? 'vision_config_dict' : 'vision_config';
  const nested = json[key] ?? {};
  if (!isJsonObject(nested)) throw expected('ERR_FORMAT', 'an object', `${key} of ${path}`, nested);
  return family.describe(nested, path);
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null;
}
