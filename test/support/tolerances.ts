import type { FloatDType, RunOptions } from './op-runner';

/** Against the reference's f32 result: sums in another order; results, and attention weights before they meet values, rounded. */
const tolerances: Record<FloatDType, number> = { f32: 1e-5, bf16: 6e-3, f16: 1e-3 };

/** Relative error that an operation may have: the coarser of the two dtypes rounds most. */
export function toleranceOf({ input = 'f32', output = input }: RunOptions): number {
  return Math.max(tolerances[input], tolerances[output]);
}
