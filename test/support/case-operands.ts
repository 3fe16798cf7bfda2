/** A case of the table as one operation's operands, in the forms the addon takes. */
import type { OpDescription, WeightRole } from '../../lib/binding/native';
import type { CaseOp, CaseTable, ConcatAttentionCase, Layout, PatchEmbedCase } from '../cases';
import * as tensors from '../cases/tensors';
import type { Shape } from './plan-writer';

export interface CaseView {
  shape: Shape;
  /** Dense; of one batch entry where it is shared by the batch. */
  data: Float32Array | Uint8Array | Int32Array;
  shared?: boolean;
}

export interface CaseWeight {
  shape: Shape;
  role: WeightRole;
  data: Float32Array;
  /** Kept in f32 whatever the compute dtype. */
  alwaysF32?: boolean;
}

export interface CaseOperation {
  op: OpDescription['op'];
  views: Record<string, CaseView>;
  weights: Record<string, CaseWeight>;
  attributes: OpDescription['attributes'];
  result: { name: 'y' | 'out'; shape: Shape };
  layout: Layout;
}

const dense: Layout = { offset: 0, padding: 0 };

const vector = (data: Float32Array): CaseWeight => ({ shape: [1, 1, data.length], role: 'vector', data });
const matrix = (shape: Shape, data: Float32Array): CaseWeight => ({ shape, role: 'matrix', data });

/** Without the entries that a case leaves out. */
function present<T>(entries: Record<string, T | undefined | false>): Record<string, T> {
  return Object.fromEntries(Object.entries(entries).filter((entry): entry is [string, T] => Boolean(entry[1])));
}

/**
 * The convolution with normalisation, bias and class token folded in, in f64 and rounded once:
 * W (pixel / 255 - mean) / std + bias = (W / (255 std)) pixel + (bias - sum W mean / std).
 */
function foldPatchEmbedding(c: PatchEmbedCase) {
  const { weight, bias, class_token, position, mean, std } = tensors.patchEmbedTensors(c);
  const area = c.P * c.P;
  const folded = new Float32Array(c.C * area * 3);
  const constant = Float64Array.from({ length: c.C }, (_, o) => (bias ? bias[o]! : 0));
  for (let o = 0; o < c.C; o += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      for (let i = 0; i < area; i += 1) {
        const value = weight[(o * 3 + channel) * area + i]!;
        folded[(o * area + i) * 3 + channel] = value / (255 * std[channel]!);
        constant[o]! -= (value * mean[channel]!) / std[channel]!;
      }
    }
  }
  const table = position.map((value, i) => {
    const isClass = class_token && i < c.C;
    return value + (isClass ? class_token[i]! : constant[i % c.C]!);
  });
  return { weight: folded, table };
}

const builders: { [Op in CaseOp]: (c: CaseTable[Op]) => Omit<CaseOperation, 'op' | 'layout'> } = {
  patch_embed: (c) => {
    const [height, width] = c.image;
    const tokens = tensors.visualTokens(c);
    const { weight, table } = foldPatchEmbedding(c);
    return {
      views: { pixels: { shape: [c.B, height, width * 3], data: tensors.patchEmbedTensors(c).pixels } },
      weights: {
        weight: matrix([1, c.C, c.P * c.P * 3], weight),
        table: { shape: [1, tokens, c.C], role: 'table', data: table, alwaysF32: true },
      },
      attributes: { patch: c.P, has_class: c.has_class ?? false },
      result: { name: 'out', shape: [c.B, tokens, c.C] },
    };
  },
  layer_norm: (c) => {
    const { x, gamma, beta, eps } = tensors.layerNormTensors(c);
    const shape: Shape = [c.B, c.rows, c.C];
    return {
      views: { x: { shape, data: x } },
      weights: present({ gamma: gamma && vector(gamma), beta: beta && vector(beta) }),
      attributes: { eps },
      result: { name: 'y', shape },
    };
  },
  rms_norm: (c) => {
    const { x, gamma, eps } = tensors.rmsNormTensors(c);
    const shape: Shape = [c.B, c.rows, c.C];
    return {
      views: { x: { shape, data: x } },
      weights: present({ gamma: gamma && vector(gamma) }),
      attributes: { eps },
      result: { name: 'y', shape },
    };
  },
  linear: (c) => {
    const { x, weight, bias, residual, groups, activation, alpha } = tensors.linearTensors(c);
    const result: Shape = [c.B, c.rows, groups * c.out];
    return {
      views: present({
        x: { shape: [c.B, c.rows, groups * c.in], data: x },
        residual: residual && { shape: result, data: residual },
      }),
      weights: present({ weight: matrix([groups, c.out, c.in], weight), bias: bias && vector(bias) }),
      attributes: { activation, alpha },
      result: { name: 'y', shape: result },
    };
  },
  concat_attention: (c) => {
    const { v, question_v } = tensors.concatAttentionTensors(c);
    const { views, attributes } = attentionOperands(c);
    const question = views.question_k;
    return {
      views: {
        ...views,
        v: { ...views.k!, data: v },
        ...(question_v && { question_v: { ...question!, data: question_v } }),
      },
      weights: {},
      attributes,
      result: { name: 'out', shape: [c.B, c.M, c.H * c.D] },
    };
  },
  attention: (c) => {
    const { q, k, v, bias, lengths, scale, causal } = tensors.attentionTensors(c);
    const keys: Shape = [c.B, c.N, c.H * c.D];
    const result: Shape = [c.B, c.M, c.H * c.D];
    return {
      views: present<CaseView>({
        q: { shape: result, data: q },
        k: { shape: keys, data: k },
        v: { shape: keys, data: v },
        lengths: lengths && { shape: [1, 1, c.B], data: lengths },
      }),
      weights: present<CaseWeight>({
        bias: bias && { shape: [1, c.H, bias.length / c.H], role: 'table', data: bias, alwaysF32: true },
      }),
      attributes: { heads: c.H, scale, causal },
      result: { name: 'out', shape: result },
    };
  },
  rotary_embed: (c) => {
    const { x, table } = tensors.rotaryEmbedTensors(c);
    const shape: Shape = [c.B, c.rows, c.H * c.D];
    return {
      views: { x: { shape, data: x } },
      weights: { table: { shape: [1, c.P, c.D], role: 'table', data: table, alwaysF32: true } },
      attributes: {},
      result: { name: 'y', shape },
    };
  },
  gated_activation: (c) => {
    const { x, activation } = tensors.gatedActivationTensors(c);
    return {
      views: { x: { shape: [c.B, c.rows, 2 * c.C], data: x } },
      weights: {},
      attributes: { activation },
      result: { name: 'y', shape: [c.B, c.rows, c.C] },
    };
  },
  mean_rows: (c) => ({
    views: { x: { shape: [c.B, c.rows * c.G, c.C], data: tensors.meanRowsTensors(c).x } },
    weights: {},
    attributes: {},
    result: { name: 'y', shape: [c.B, c.rows, c.C] },
  }),
  gated_projection: (c) => {
    const { x, weight, bias, gate_weight, gate_bias, gate, residual } = tensors.gatedProjectionTensors(c);
    const shape: Shape = [c.B, c.rows, c.C];
    const square: Shape = [1, c.C, c.C];
    return {
      views: present({ x: { shape, data: x }, residual: residual && { shape, data: residual } }),
      weights: present({
        weight: matrix(square, weight),
        bias: bias && vector(bias),
        gate_weight: matrix(square, gate_weight),
        gate_bias: gate_bias && vector(gate_bias),
      }),
      attributes: { gate },
      result: { name: 'y', shape },
    };
  },
  gather_rows: (c) => {
    const { table, source, index } = tensors.gatherRowsTensors(c);
    return {
      views: present<CaseView>({
        source: source && { shape: [c.entries, c.rows, c.C], data: source },
        index: { shape: [1, 1, index.length], data: index },
      }),
      weights: present<CaseWeight>({ table: table && { shape: [1, c.entries, c.C], role: 'table', data: table } }),
      attributes: {},
      result: { name: 'out', shape: [c.B, c.rows, c.C] },
    };
  },
};

/** Queries and keys, which concat_attention and question_attention share. */
function attentionOperands(c: ConcatAttentionCase): Pick<CaseOperation, 'views' | 'attributes'> {
  const { q, k, question_k, question_lengths, scale } = tensors.concatAttentionTensors(c);
  const width = c.H * c.D;
  return {
    views: present<CaseView>({
      q: { shape: [c.B, c.M, width], data: q },
      k: { shape: [c.B, c.N ?? c.M, width], data: k },
      question_k: question_k && { shape: [c.B, c.K, width], data: question_k, shared: c.shared },
      question_lengths: question_lengths && { shape: [1, 1, c.B], data: question_lengths },
    }),
    attributes: { heads: c.H, scale },
  };
}

export function operationOf<Op extends CaseOp>(op: Op, entry: CaseTable[Op]): CaseOperation {
  return { op, layout: entry.layout ?? dense, ...builders[op](entry) };
}

/** question_attention over the operands of a concat_attention case with K > 0. */
export function questionAttentionOf(entry: ConcatAttentionCase): CaseOperation {
  return {
    op: 'question_attention',
    layout: entry.layout ?? dense,
    weights: {},
    ...attentionOperands(entry),
    result: { name: 'out', shape: [entry.B, entry.M, entry.K] },
  };
}
