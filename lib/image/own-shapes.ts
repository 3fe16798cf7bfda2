import { expectedButFound } from '../errors';
import type { ResizeRule } from './geometry';
import type { PreprocessorConfig } from './preprocessor-config';

/** How large a picture may be that keeps its own shape. */
export interface MostPatches {
  /** Side of a patch, or of what patches are taken together as, pixels. */
  readonly patch: number;
  /** Of a picture, at most. */
  readonly patches: number;
}

/** Undefined where all pictures are brought to one size. */
export function shapesOf({ resize }: PreprocessorConfig): MostPatches | undefined {
  const { rule } = resize ?? {};
  if (rule?.kind === 'most-patches') return rule;
  if (rule?.kind !== 'nearest-patches') return undefined;
  return { patch: rule.patch, patches: Math.floor(rule.most / rule.patch ** 2) };
}

/** Patches of this side that a picture consists of at most; null where all pictures are brought to one size. */
export function maxPatchesOf(config: PreprocessorConfig, patch: number): number | null {
  const shapes = shapesOf(config);
  return shapes ? shapes.patches * (shapes.patch / patch) ** 2 : null;
}

/**
 * The same pixels for pictures in shapes of their own: what was squeezed or cropped is seen whole, as SigLIP 2 sees it (Tschannen et al.
 * 2025, arXiv 2502.14786, NaFlex), or by Qwen2-VL's rule where that is the model's own.
 *
 * @throws QAViTError ERR_UNSUPPORTED where pictures are not resized
 */
export function inOwnShapes(config: PreprocessorConfig, most: MostPatches): PreprocessorConfig {
  const { resize } = config;
  if (!resize) {
    const where = 'do_resize of the preprocessing, with pictures in shapes of their own';
    throw expectedButFound('ERR_UNSUPPORTED', 'true', where, 'false');
  }
  const rule = ruleOf(resize.rule, most);
  return { ...config, longestEdgeFirst: undefined, resize: { rule, filter: resize.filter }, crop: null };
}

function ruleOf(own: ResizeRule, { patch, patches }: MostPatches): ResizeRule {
  if (own.kind !== 'nearest-patches') return { kind: 'most-patches', patch, patches };
  const most = patches * patch ** 2;
  return { kind: 'nearest-patches', patch, least: Math.min(own.least, most), most };
}
