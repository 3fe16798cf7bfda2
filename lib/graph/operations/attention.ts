import type { Graph } from '../graph';
import type { Parameter } from '../parameter';
import { formatShape, type Shape } from '../shape';
import type { Tensor } from '../tensor';
import type { AttentionOptions } from './concat-attention';

export interface RelativeAttentionOptions extends AttentionOptions {
  /** i32 [1, 1, B], each 1..N: how many of the keys count. Absent: all. An input of the plan. */
  readonly lengths?: Tensor;
  /** Table [H, 2R + 1]: column R + d is added to the score of a key d places behind its query; the outer columns hold beyond R. */
  readonly bias?: Parameter;
  /** The queries are the last M of the keys that count, and see none behind themselves. Unless told, query i stands at position i. */
  readonly causal?: boolean;
}

/**
 * Softmax attention with a bias by distance, per head: an encoder's, a decoder's over its cache, or across.
 *
 * @param operands q [B, M, C], k and v [B, N, C], C = H*D, in the compute dtype
 * @returns [B, M, C] in the compute dtype
 */
export function attention(
  g: Graph,
  { q, k, v }: { q: Tensor; k: Tensor; v: Tensor },
  { heads, scale, lengths, bias, causal = false }: RelativeAttentionOptions,
): Tensor {
  const op = 'attention';
  g.expectDType(op, 'q', q, g.options.dtype);
  g.expectDType(op, 'k', k, q.dtype);
  g.expectDType(op, 'v', v, q.dtype);
  g.expectShape(op, 'k', k, [q.batch, k.rows, q.columns]);
  g.expectShape(op, 'v', v, k.shape);
  if (!Number.isInteger(heads) || heads < 1 || q.columns.size % heads !== 0) {
    throw g.wrongArgument(op, `heads that divide the columns of q ${formatShape(q.shape)}`, String(heads));
  }
  if (!Number.isFinite(scale)) throw g.wrongArgument(op, 'a finite scale', String(scale));
  if (causal && k.rows.size < q.rows.size) throw g.wrongShape(op, 'k', q.shape, formatShape(k.shape));
  if (lengths) checkLengths(g, lengths, q);
  if (bias) checkBias(g, bias, heads);
  const out = g.allocate(g.options.dtype, q.shape);
  g.record(op, { q, k, v, lengths, out }, { bias }, { heads, scale, causal });
  return out;
}

function checkLengths(g: Graph, lengths: Tensor, q: Tensor): void {
  const one = { name: '1', size: 1 };
  const shape: Shape = [one, one, q.batch];
  g.expectDType('attention', 'lengths', lengths, 'i32');
  g.expectShape('attention', 'lengths', lengths, shape);
}

function checkBias(g: Graph, bias: Parameter, heads: number): void {
  const columns = bias.shape[1] ?? 0;
  if (columns % 2 !== 1) throw g.wrongArgument('attention', 'bias of 2R + 1 columns', formatShape(bias.shape));
  g.expectParameter('attention', 'bias', bias, [
    { name: 'H', size: heads },
    { name: '2R+1', size: columns },
  ]);
}
