import type { Graph } from '../graph';
import { formatShape, type Shape } from '../shape';
import type { Tensor } from '../tensor';

/** Keys and values of the question beside those of the picture. */
export interface QuestionKeys {
  /** [B, K, C] */
  readonly k: Tensor;
  /** [B, K, C] */
  readonly v: Tensor;
  /** i32 [1, 1, B], each 0..K: how many of the rows are real. Absent: all. An input of the plan. */
  readonly lengths?: Tensor;
}

export interface AttentionOperands {
  /** [B, M, C], C = H*D */
  readonly q: Tensor;
  /** [B, N, C]; N = M in a tower. */
  readonly k: Tensor;
  /** [B, N, C] */
  readonly v: Tensor;
  readonly question?: QuestionKeys;
}

export interface AttentionOptions {
  /** H */
  readonly heads: number;
  /** Factor of the scores; 1 where D^-0.5 is folded into the queries' weights. */
  readonly scale: number;
}

/**
 * Softmax over the question's keys and the picture's together, per head; only visual tokens ask. Without a question it is plain
 * attention. QA-ViT (arXiv 2402.05472), section 3.1.
 *
 * @returns [B, M, C] in the compute dtype
 */
export function concatAttention(
  g: Graph,
  { q, k, v, question }: AttentionOperands,
  { heads, scale }: AttentionOptions,
): Tensor {
  const op = 'concat_attention';
  checkAttention(g, op, { q, k, question }, { heads, scale });
  g.expectDType(op, 'v', v, q.dtype);
  g.expectShape(op, 'v', v, k.shape);
  if (question) {
    g.expectDType(op, 'question_v', question.v, q.dtype);
    g.expectShape(op, 'question_v', question.v, question.k.shape);
  }
  const out = g.allocate(g.options.dtype, q.shape);
  const views = { q, k, v, question_k: question?.k, question_v: question?.v, question_lengths: question?.lengths, out };
  g.record(op, views, {}, { heads, scale });
  return out;
}

/** The rules that concat_attention and question_attention share. */
export function checkAttention(
  g: Graph,
  op: 'concat_attention' | 'question_attention',
  { q, k, question }: { q: Tensor; k: Tensor; question?: { k: Tensor; lengths?: Tensor } },
  { heads, scale }: AttentionOptions,
): void {
  g.expectDType(op, 'q', q, g.options.dtype);
  g.expectDType(op, 'k', k, q.dtype);
  g.expectShape(op, 'k', k, [q.batch, k.rows, q.columns]);
  if (!Number.isInteger(heads) || heads < 1 || q.columns.size % heads !== 0) {
    throw g.wrongArgument(op, `heads that divide the columns of q ${formatShape(q.shape)}`, String(heads));
  }
  if (!Number.isFinite(scale)) throw g.wrongArgument(op, 'a finite scale', String(scale));
  if (!question) return;
  g.expectDType(op, 'question_k', question.k, q.dtype);
  g.expectShape(op, 'question_k', question.k, [q.batch, question.k.rows, q.columns]);
  if (!question.lengths) return;
  const one = { name: '1', size: 1 };
  const lengths: Shape = [one, one, q.batch];
  g.expectDType(op, 'question_lengths', question.lengths, 'i32');
  g.expectShape(op, 'question_lengths', question.lengths, lengths);
}
