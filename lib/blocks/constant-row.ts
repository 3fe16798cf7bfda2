import { type Graph, layerNorm, type Parameter, type Tensor } from '../graph';

/**
 * A learned row that is the same in every sample. No operation writes a parameter into the stream, but a layer norm whose gain is zero
 * leaves its offset and nothing of what it is given, exactly.
 *
 * @param like [B, 1, C], of which only the shape counts
 * @param row [C], and zeros of the same shape
 * @returns [B, 1, C] in the stream's dtype
 */
export function constantRow(g: Graph, like: Tensor, { row, zeros }: { row: Parameter; zeros: Parameter }): Tensor {
  return layerNorm(g, like, { gamma: zeros, beta: row, eps: 1 }, { dtype: g.options.stream });
}
