import type { CaseOperation } from './case-operands';

const product = (...factors: number[]): number => factors.reduce((a, b) => a * b, 1);

/** What an element costs where nothing is multiplied: loads, stores and reductions, which tensor cores share among many products. */
const PER_ELEMENT = 16;

/** Multiply-adds of an operation, or about as much work. */
export function workOf({ op, views, weights, result }: CaseOperation): number {
  const outputs = product(...result.shape);
  if (op === 'linear' || op === 'patch_embed') return outputs * weights.weight!.shape[2];
  if (op === 'gated_projection') return 2 * outputs * result.shape[2];
  if (!['concat_attention', 'question_attention', 'attention'].includes(op)) return outputs * PER_ELEMENT;
  const [batch, queries, width] = views.q!.shape;
  const keys = views.k!.shape[1] + (views.question_k?.shape[1] ?? 0);
  return product(batch, queries, width, keys) * (op === 'question_attention' ? 1 : 2);
}
