/** Numbers as people read them. */
import { PYTORCH } from '../peers';
import type { CaseResult } from './results';

export function milliseconds(value: number): string {
  if (value >= 10_000) return `${(value / 1e3).toFixed(1)} s`;
  if (value >= 100) return `${Math.round(value).toLocaleString('en')} ms`;
  return `${value.toPrecision(3)} ms`;
}

export const times = (value: number): string => `${value.toFixed(2)}x`;
export const percent = (share: number): string => `${Math.round(share * 100)}%`;

/** The fastest of PyTorch's ways, by the median. */
export function bestPyTorch({ contestants }: CaseResult): string | undefined {
  return Object.keys(contestants)
    .filter((name) => PYTORCH.includes(name))
    .sort((a, b) => contestants[a]!.median - contestants[b]!.median)[0];
}
