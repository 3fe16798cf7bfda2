import type { ResizeRule, Size } from './geometry';
import type { PreprocessorConfig } from './preprocessor-config';

/** Pixels of the pictures that a config makes; undefined where that depends on the picture it is given. */
export function preparedSize({ resize, crop }: PreprocessorConfig): Size | undefined {
  if (crop) return crop;
  return resize?.rule.kind === 'exact' ? { width: resize.rule.width, height: resize.rule.height } : undefined;
}

/**
 * The same steps for squares of `side` pixels. Where pictures are resized and then cropped, or resized twice, both grow alike, so that
 * the tower sees the same part of a picture, in more or fewer pixels.
 */
export function atSize(config: PreprocessorConfig, side: number): PreprocessorConfig {
  const { resize, crop, longestEdgeFirst: first } = config;
  const factor = crop ? side / Math.min(crop.width, crop.height) : undefined;
  const before = preparedSize(config)?.width ?? side;
  return {
    ...config,
    ...(first !== undefined && { longestEdgeFirst: Math.round((first * side) / before) }),
    resize: resize && { ...resize, rule: resizeRule(resize.rule, side, factor) },
    crop: crop && { width: side, height: side },
  };
}

function resizeRule(rule: ResizeRule, side: number, factor: number | undefined): ResizeRule {
  const scaled = (pixels: number): number => (factor === undefined ? side : Math.round(pixels * factor));
  if (rule.kind === 'exact') return { kind: 'exact', width: scaled(rule.width), height: scaled(rule.height) };
  const { shortest, longest } = rule;
  return { kind: 'shortest-edge', shortest: scaled(shortest), ...(longest && { longest: scaled(longest) }) };
}
