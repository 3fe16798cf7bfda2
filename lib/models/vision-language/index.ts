/** The vision-language models there are. To add one, describe it in a file beside this one and list it here. */
import type { JsonObject } from '../../json-file';
import { describeTower, type TowerArchitecture } from '../towers';
import type { VisionHalf, VisionLanguageFamily } from './family';
import { LLAVA } from './llava';

export type { LanguageHalf, ProjectorShape, VisionHalf, VisionLanguageFamily } from './family';

const FAMILIES: readonly VisionLanguageFamily[] = [LLAVA];

/** Every model_type that is one. */
export const VISION_LANGUAGE_MODEL_TYPES = FAMILIES.map(({ modelType }) => modelType);

/** Undefined where a config.json's model_type is something else. */
export function visionLanguageFamily(modelType: unknown): VisionLanguageFamily | undefined {
  return FAMILIES.find((family) => family.modelType === modelType);
}

/** The tower that a config.json describes, alone or as the half of a vision-language model. */
export type DescribedVision =
  | { readonly architecture: TowerArchitecture; readonly family?: undefined; readonly half?: undefined }
  | { readonly architecture: TowerArchitecture; readonly family: VisionLanguageFamily; readonly half: VisionHalf };

/** @throws QAViTError ERR_UNSUPPORTED for another architecture, ERR_FORMAT for a field that makes no sense */
export function describeVision(json: JsonObject, path: string): DescribedVision {
  const family = visionLanguageFamily(json.model_type);
  if (!family) return { architecture: describeTower(json, path) };
  const half = family.describeVision(json, path);
  return { architecture: describeTower(half.tower, `vision_config of ${path}`), family, half };
}
