import {
  type Affine,
  appendRows,
  attention,
  type Graph,
  linear,
  type Parameter,
  rmsNorm,
  type RmsNorm,
  type Tensor,
} from '../../graph';
import { projectJointly, type SelfAttention } from './encoder-layer';
import { type FeedForward, feedForward } from './feed-forward';

/** Attention of a decoder's row to the encoder's. */
export interface CrossAttention {
  readonly norm: RmsNorm;
  /** [I, E] */
  readonly query: Affine;
  /** [2I, E]: k, then v, of the encoder's rows. */
  readonly keyValue: Affine;
  /** [E, I] */
  readonly output: Affine;
}

/** The parameters of a decoder layer of T5. */
export interface T5DecoderLayer {
  readonly attention: SelfAttention;
  readonly cross: CrossAttention;
  readonly feedForward: FeedForward;
}

/** What all layers of a decoder share. */
export interface DecoderSettings {
  /** H */
  readonly heads: number;
  /** [H, 2R + 1] */
  readonly bias: Parameter;
  /** i32 [1, 1, B]: rows that the caches hold already. */
  readonly position: Tensor;
  /** i32 [1, 1, B]: rows that they hold with the new ones. */
  readonly lengths: Tensor;
  /** i32 [1, 1, B]: the encoder's rows that count. */
  readonly crossLengths: Tensor;
}

/** What one layer remembers of an answer. */
export interface LayerMemory {
  /** A state [B, N, 2I]: keys and values of the rows said so far. */
  readonly cache: Tensor;
  /** What crossKeyValue() gave, [B, M, 2I]. */
  readonly cross: Tensor;
}

/**
 * Keys and values of the encoder's rows, once an answer.
 *
 * @param rows [B, M, E] in the compute dtype
 * @returns [B, M, 2I]
 */
export function crossKeyValue(g: Graph, rows: Tensor, { cross }: T5DecoderLayer): Tensor {
  return linear(g.scope('EncDecAttention').scope('kv'), rows, cross.keyValue, { as: '2I' });
}

/**
 * x + O(attention over what was said),  x + O(attention over the encoder's rows),  then the MLP.
 *
 * @param x [B, rows, E] residual stream of the new rows, whose keys and values are appended to the cache
 * @returns [B, rows, E]
 */
export function t5DecoderLayer(
  g: Graph,
  x: Tensor,
  layer: T5DecoderLayer,
  { cache, cross }: LayerMemory,
  settings: DecoderSettings,
): Tensor {
  const said = sayingAttention(g.scope('SelfAttention'), x, layer.attention, cache, settings);
  const seen = crossAttention(g.scope('EncDecAttention'), said, layer.cross, cross, settings);
  return feedForward(g.scope('DenseReluDense'), seen, layer.feedForward);
}

function sayingAttention(
  g: Graph,
  x: Tensor,
  own: SelfAttention,
  cache: Tensor,
  { heads, bias, position, lengths }: DecoderSettings,
): Tensor {
  const joint = projectJointly(g, x, own);
  const width = joint.columns.size / 3;
  appendRows(g.scope('cache'), cache, joint.sliceColumns(width, 3 * width, '2I'), position);
  const q = joint.sliceColumns(0, width, 'I');
  const attended = attention(g, { q, ...halves(cache) }, { heads, scale: 1, bias, lengths, causal: true });
  return linear(g.scope('o'), attended, own.output, { residual: x });
}

function crossAttention(
  g: Graph,
  x: Tensor,
  { norm, query, output }: CrossAttention,
  cross: Tensor,
  { heads, crossLengths: lengths }: DecoderSettings,
): Tensor {
  const q = linear(g.scope('q'), rmsNorm(g.scope('layer_norm'), x, norm), query, { as: 'I' });
  const attended = attention(g, { q, ...halves(cross) }, { heads, scale: 1, lengths });
  return linear(g.scope('o'), attended, output, { residual: x });
}

function halves(keyValue: Tensor): { k: Tensor; v: Tensor } {
  const width = keyValue.columns.size / 2;
  return { k: keyValue.sliceColumns(0, width, 'I'), v: keyValue.sliceColumns(width, 2 * width, 'I') };
}
