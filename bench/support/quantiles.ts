/**
 * The value below which a share `q` of `values` lies, half-way between the two where it lies between them: the upper one alone would
 * make a ratio of two or four rounds look better than it is.
 */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const below = q * sorted.length;
  const upper = Math.min(sorted.length - 1, Math.floor(below));
  const lower = Number.isInteger(below) ? Math.max(0, Math.min(upper, below - 1)) : upper;
  return (sorted[lower]! + sorted[upper]!) / 2;
}

export interface Spread {
  p10: number;
  median: number;
  p90: number;
}

export function spreadOf(values: readonly number[]): Spread {
  return { p10: quantile(values, 0.1), median: quantile(values, 0.5), p90: quantile(values, 0.9) };
}
