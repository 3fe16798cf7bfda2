import type { ActivationName } from '../binding/native';
import {
  type Affine,
  concatAttention,
  gatedActivation,
  type GatedAffine,
  gatedProjection,
  type Graph,
  layerNorm,
  linear,
  type Norm,
  type Parameter,
  questionAttention,
  type QuestionKeys,
  rotaryEmbed,
  type Tensor,
} from '../graph';

/** The parameters of a pre-LN transformer layer with joint q, k, v projection. */
export interface EncoderLayer {
  readonly norm1: Norm;
  readonly attention: {
    /** [3C, C]: q, k, v one behind another. */
    readonly qkv: Affine;
    /** The frozen projection P, [C, C]. */
    readonly output: Affine;
    /** H */
    readonly heads: number;
    /** Factor of the scores: D^-0.5, or 1 where the queries' weights contain it. */
    readonly scale: number;
  };
  readonly norm2: Norm;
  readonly mlp: {
    /** [F, C]; gated [2F, C]: the gate's map, then the value's. */
    readonly fc1: Affine;
    /** [C, F] */
    readonly fc2: Affine;
    readonly activation: ActivationName;
    readonly gated: boolean;
  };
  /** The fuse slot: what stands for P where a question takes part. Filled by fuse(). */
  readonly fusing?: GatedAffine;
}

/** What a layer is given besides the stream. */
export interface LayerInputs {
  readonly question?: LayerQuestion;
  /** Where places are told by turning queries and keys (rotary_embed): their angles, f32 [P, D]. A question's keys have no place. */
  readonly rotary?: Parameter;
}

/** What a question brings to one layer. */
export interface LayerQuestion extends QuestionKeys {
  /** Gets the map of attention to the question, f32 [B, M, K]; without it no map is computed. */
  readonly watch?: (map: Tensor) => void;
}

/**
 * One encoder layer:  x + P(attention(norm1(x))),  then  x + fc2(act(fc1(norm2(x)))), or gated  x + fc2(act(gate) * value).
 *
 * With a question its keys and values join the attention, and the layer's fuse slot stands for P.
 *
 * @param x [B, M, C] residual stream
 * @returns [B, M, C]
 */
export function encoderLayer(g: Graph, x: Tensor, layer: EncoderLayer, { question, rotary }: LayerInputs = {}): Tensor {
  const { attention, mlp, fusing } = layer;
  const attended = selfAttention(g.scope('self_attn'), picture(g, x, layer, rotary), attention, question);
  const output = g.scope('self_attn.out_proj');
  const mixed =
    question && fusing
      ? gatedProjection(output, attended, fusing, { residual: x })
      : linear(output, attended, attention.output, { residual: x });
  const again = layerNorm(g.scope('layer_norm2'), mixed, layer.norm2);
  return linear(g.scope('mlp.fc2'), hiddenOf(g, again, mlp), mlp.fc2, { residual: mixed });
}

/** @returns [B, M, F] */
function hiddenOf(g: Graph, x: Tensor, { fc1, activation, gated }: EncoderLayer['mlp']): Tensor {
  if (!gated) return linear(g.scope('mlp.fc1'), x, fc1, { activation, as: 'F' });
  return gatedActivation(g.scope('mlp.gate'), linear(g.scope('mlp.fc1'), x, fc1, { as: '2F' }), activation);
}

/** Queries, keys and values of the picture, [B, M, C] each. */
interface Picture {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/** In the first fused layer those of one picture are the same for all of its questions, and computed once. */
function picture(g: Graph, x: Tensor, { norm1, attention }: EncoderLayer, rotary: Parameter | undefined): Picture {
  const scope = g.scope('self_attn');
  const normed = layerNorm(g.scope('layer_norm1'), x.distinct(), norm1);
  const joint = linear(scope.scope('qkv'), normed, attention.qkv, { as: '3C' });
  const width = joint.columns.size / 3;
  const turned = rotary ? rotaryEmbed(scope.scope('rotary'), joint.sliceColumns(0, 2 * width, '2C'), rotary) : joint;
  const part = (all: Tensor, i: number): Tensor => {
    const columns = all.sliceColumns(i * width, (i + 1) * width, 'C');
    return columns.batch.size === x.batch.size ? columns : columns.broadcast(x.batch);
  };
  return { q: part(turned, 0), k: part(turned, 1), v: part(joint, 2) };
}

function selfAttention(
  g: Graph,
  { q, k, v }: Picture,
  { heads, scale }: EncoderLayer['attention'],
  question: LayerQuestion | undefined,
): Tensor {
  if (question?.watch) question.watch(questionAttention(g, { q, k, question }, { heads, scale }));
  return concatAttention(g, { q, k, v, question }, { heads, scale });
}
