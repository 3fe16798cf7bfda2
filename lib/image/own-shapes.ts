import { expectedButFound } from '../errors';
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
  return resize?.rule.kind === 'most-patches' ? resize.rule : undefined;
}

/** Patches of this side that a picture consists of at most; null where all pictures are brought to one size. */
export function maxPatchesOf(config: PreprocessorConfig, patch: number): number | null {
  const shapes = shapesOf(config);
  return shapes ? shapes.patches * (shapes.patch / patch) ** 2 : null;
}

/**
 * The same pixels for pictures in shapes of their own: what was squeezed or cropped is seen whole, as SigLIP 2 sees it (Tschannen et al.
 * 2025, arXiv 2502.14786, NaFlex).
 *
 * @throws QAViTError ERR_UNSUPPORTED where pictures are not resized
 */
export function inOwnShapes(config: PreprocessorConfig, most: MostPatches): PreprocessorConfig {
  const { resize } = config;
  if (!resize) {
    const where = 'do_resize of the preprocessing, with pictures in shapes of their own';
    throw expectedButFound('ERR_UNSUPPORTED', 'true', where, 'false');
  }
  const rule = { kind: 'most-patches', patch: most.patch, patches: most.patches } as const;
  return { ...config, longestEdgeFirst: undefined, resize: { rule, filter: resize.filter }, crop: null };
}
