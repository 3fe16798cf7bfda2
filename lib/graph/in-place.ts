import type { Recording } from './graph';

/**
 * Lets `y = residual + ...` overwrite its residual where nobody reads that residual again, so that the residual stream of a tower
 * is one value instead of two a layer, and stays in the cache. Returns for every value the one that stands in for it (itself, if
 * none does).
 */
export function reuseResiduals({ values, ops }: Recording): number[] {
  const standIn = values.map((_, i) => i);
  const lastRead = new Map<number, number>();
  ops.forEach(({ views }, i) => Object.values(views).forEach((view) => lastRead.set(view.value, i)));
  ops.forEach(({ views }, i) => {
    const { residual, y } = views;
    const [from, to] = [values[residual?.value ?? -1], values[y?.value ?? -1]];
    if (!residual || !y || !from || !to) return;
    const free = from.kind === 'intermediate' && to.kind === 'intermediate' && lastRead.get(residual.value) === i;
    const once = Object.values(views).filter((view) => view.value === residual.value).length === 1;
    const alike = from.dtype === to.dtype && residual.covers(from.shape) && y.covers(from.shape);
    if (free && once && alike) standIn[y.value] = standIn[residual.value] ?? residual.value;
  });
  return standIn;
}
