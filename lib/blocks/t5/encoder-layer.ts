import {
  type Affine,
  attention,
  type Graph,
  linear,
  type Parameter,
  rmsNorm,
  type RmsNorm,
  type Tensor,
} from '../../graph';
import { type FeedForward, feedForward } from './feed-forward';

/** Attention of a row to rows of its own kind. */
export interface SelfAttention {
  readonly norm: RmsNorm;
  /** [3I, E], I = H*D: q, k, v one behind another. */
  readonly qkv: Affine;
  /** [E, I] */
  readonly output: Affine;
}

/** The parameters of an encoder layer of T5 (Raffel et al. 2020, arXiv 1910.10683). */
export interface T5EncoderLayer {
  readonly attention: SelfAttention;
  readonly feedForward: FeedForward;
}

/** What all layers of an encoder share. */
export interface EncoderSettings {
  /** H */
  readonly heads: number;
  /** [H, 2R + 1]; the first layer's, used by all. */
  readonly bias: Parameter;
  /** i32 [1, 1, B]: rows that count. */
  readonly lengths: Tensor;
}

/**
 * x + O(attention(norm(x))),  then the MLP. Scores are not scaled: T5's starting values make up for it.
 *
 * @param x [B, M, E] residual stream
 * @returns [B, M, E]
 */
export function t5EncoderLayer(g: Graph, x: Tensor, layer: T5EncoderLayer, settings: EncoderSettings): Tensor {
  const own = g.scope('SelfAttention');
  const joint = projectJointly(own, x, layer.attention);
  const width = joint.columns.size / 3;
  const [q, k, v] = [0, 1, 2].map((i) => joint.sliceColumns(i * width, (i + 1) * width, 'I')) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const attended = attention(own, { q, k, v }, { ...settings, scale: 1 });
  const mixed = linear(own.scope('o'), attended, layer.attention.output, { residual: x });
  return feedForward(g.scope('DenseReluDense'), mixed, layer.feedForward);
}

/** q, k and v of normed rows side by side, [B, M, 3I]. */
export function projectJointly(g: Graph, x: Tensor, { norm, qkv }: SelfAttention): Tensor {
  return linear(g.scope('qkv'), rmsNorm(g.scope('layer_norm'), x, norm), qkv, { as: '3I' });
}
