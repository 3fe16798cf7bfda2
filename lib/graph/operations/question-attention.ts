import type { Graph } from '../graph';
import type { Tensor } from '../tensor';
import { type AttentionOptions, checkAttention } from './concat-attention';

/**
 * How much of each visual token's attention goes to each question token: the question's columns of concatAttention's softmax, mean
 * over heads. For showing, not for the forward pass.
 *
 * @returns f32 [B, M, K]; columns past a question's length are 0
 */
export function questionAttention(
  g: Graph,
  { q, k, question }: { q: Tensor; k: Tensor; question: { k: Tensor; lengths?: Tensor } },
  { heads, scale }: AttentionOptions,
): Tensor {
  const op = 'question_attention';
  checkAttention(g, op, { q, k, question }, { heads, scale });
  const out = g.allocate('f32', [q.batch, q.rows, question.k.rows]);
  g.record(op, { q, k, question_k: question.k, question_lengths: question.lengths, out }, {}, { heads, scale });
  return out;
}
