import type { ResizeRule, Size } from './geometry';
import type { PreprocessorConfig } from './preprocessor-config';

/** Pixels of the pictures that a config makes; undefined where that depends on the picture it is given. */
export function preparedSize({ resize, crop }: PreprocessorConfig): Size | undefined {
  if (crop) return crop;
  return resize?.rule.kind === 'exact' ? { width: resize.rule.width, height: resize.rule.height } : undefined;
}

/**
 * The same steps for pictures of another size. Where they are resized and then cropped, or resized twice, both grow alike, so that the
 * tower sees the same part of a picture, in more or fewer pixels; of a rectangle, as much of it as has the rectangle's proportions.
 */
export function atSize(config: PreprocessorConfig, size: Size): PreprocessorConfig {
  const { resize, crop, longestEdgeFirst: first } = config;
  const before = preparedSize(config) ?? size;
  const grown = Math.max(size.width, size.height) / Math.max(before.width, before.height);
  return {
    ...config,
    ...(first !== undefined && { longestEdgeFirst: Math.round(first * grown) }),
    resize: resize && { ...resize, rule: resizeRule(resize.rule, size, crop) },
    crop: crop && { width: size.width, height: size.height },
  };
}

function resizeRule(rule: ResizeRule, size: Size, crop: Size | null): ResizeRule {
  if (rule.kind === 'most-patches' || rule.kind === 'nearest-patches')
    return { kind: 'exact', width: size.width, height: size.height };
  const scaled = (pixels: number, edge: 'width' | 'height'): number =>
    crop ? Math.round((pixels * size[edge]) / crop[edge]) : size[edge];
  if (rule.kind !== 'shortest-edge') {
    return { kind: rule.kind, width: scaled(rule.width, 'width'), height: scaled(rule.height, 'height') };
  }
  const { shortest, longest } = rule;
  const across = crop && crop.width <= crop.height ? 'width' : 'height';
  if (size.width === size.height) {
    return {
      kind: 'shortest-edge',
      shortest: scaled(shortest, across),
      ...(longest && { longest: scaled(longest, across) }),
    };
  }
  // A rectangle's longer edge may be the one that a picture falls short of.
  const grown = (edge: number): number => (crop ? Math.round((shortest * edge) / crop[across]) : edge);
  return { kind: 'cover', width: grown(size.width), height: grown(size.height) };
}
