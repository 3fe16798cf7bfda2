import type { JsonObject } from '../../json-file';
import { describeTower, type TowerArchitecture } from '../towers';
import type { VisionHalf, VisionLanguageFamily } from './family';
import { visionLanguageFamily } from './index';

export interface DescribedFolder {
  readonly architecture: TowerArchitecture;
  /** The vision-language model that the tower is part of. */
  readonly whole?: { readonly family: VisionLanguageFamily; readonly vision: VisionHalf };
}

/**
 * Reads the config.json of a tower's folder, or of a vision-language model's.
 *
 * @throws QAViTError ERR_UNSUPPORTED for another architecture, ERR_FORMAT for a field that makes no sense
 */
export function describeFolder(json: JsonObject, path: string): DescribedFolder {
  const family = visionLanguageFamily(json.model_type);
  if (!family) return { architecture: describeTower(json, path) };
  const vision = family.describeVision(json, path);
  return { architecture: describeTower(vision.tower, `vision_config of ${path}`), whole: { family, vision } };
}
