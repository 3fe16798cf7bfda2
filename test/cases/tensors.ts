/** The operands of each case, dense and row-major; the same tensors as training/fixtures/tensors.py, bit for bit. */
import type {
  AttentionCase,
  ConcatAttentionCase,
  GatedActivationCase,
  GatedProjectionCase,
  GatherRowsCase,
  LayerNormCase,
  LinearCase,
  MeanRowsCase,
  PatchEmbedCase,
  RmsNormCase,
  RotaryEmbedCase,
} from './index';
import { bytes, floats, indices, weights } from './random';

/** Of pixels in 0..1, over CLIP's own training pictures. */
const CLIP_MEAN: [number, number, number] = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD: [number, number, number] = [0.26862954, 0.26130258, 0.27577711];

/** M, the class token included. */
export function visualTokens({ image, P, has_class }: PatchEmbedCase): number {
  return Math.floor(image[0] / P) * Math.floor(image[1] / P) + (has_class ? 1 : 0);
}

export function patchEmbedTensors(c: PatchEmbedCase) {
  const [height, width] = c.image;
  const fanIn = 3 * c.P * c.P;
  return {
    /** [B, height, width * 3] */
    pixels: bytes(c.seed, 'pixels', c.B * height * width * 3),
    /** [C, 3, P, P], as PyTorch's Conv2d keeps it. */
    weight: weights(c.seed, 'weight', c.C * fanIn, fanIn),
    /** [C] */
    bias: c.bias && floats(c.seed, 'bias', c.C),
    /** [C] */
    class_token: c.has_class && floats(c.seed, 'class_token', c.C),
    /** [M, C] */
    position: floats(c.seed, 'position', visualTokens(c) * c.C),
    mean: c.mean ?? CLIP_MEAN,
    std: c.std ?? CLIP_STD,
  };
}

export function layerNormTensors(c: LayerNormCase) {
  return {
    /** [B, rows, C] */
    x: floats(c.seed, 'x', c.B * c.rows * c.C, c),
    /** [C] */
    gamma: c.gamma && floats(c.seed, 'gamma', c.C),
    /** [C] */
    beta: c.beta && floats(c.seed, 'beta', c.C),
    eps: c.eps ?? 1e-5,
  };
}

export function rmsNormTensors(c: RmsNormCase) {
  return {
    /** [B, rows, C] */
    x: floats(c.seed, 'x', c.B * c.rows * c.C, c),
    /** [C] */
    gamma: c.gamma && floats(c.seed, 'gamma', c.C),
    eps: c.eps ?? 1e-6,
  };
}

export function linearTensors(c: LinearCase) {
  const groups = c.groups ?? 1;
  return {
    /** [B, rows, groups * in] */
    x: floats(c.seed, 'x', c.B * c.rows * groups * c.in, { gain: c.gain }),
    /** [groups, out, in] */
    weight: weights(c.seed, 'weight', groups * c.out * c.in, c.in),
    /** [groups * out] */
    bias: c.bias && floats(c.seed, 'bias', groups * c.out),
    /** [B, rows, groups * out] */
    residual: c.residual && floats(c.seed, 'residual', c.B * c.rows * groups * c.out),
    groups,
    activation: c.activation ?? 'none',
    alpha: c.alpha ?? 1,
  };
}

export function concatAttentionTensors(c: ConcatAttentionCase) {
  const width = c.H * c.D;
  const keys = c.N ?? c.M;
  const questions = c.shared ? 1 : c.B;
  return {
    /** [B, M, H * D] */
    q: floats(c.seed, 'q', c.B * c.M * width),
    /** [B, N, H * D] */
    k: floats(c.seed, 'k', c.B * keys * width),
    v: floats(c.seed, 'v', c.B * keys * width),
    /** [B, K, H * D], or [1, K, H * D] where the question is shared; absent with K = 0 */
    question_k: c.K > 0 ? floats(c.seed, 'question_k', questions * c.K * width) : undefined,
    question_v: c.K > 0 ? floats(c.seed, 'question_v', questions * c.K * width) : undefined,
    /** [B] */
    question_lengths: c.lengths && Int32Array.from(c.lengths),
    scale: c.scale ?? c.D ** -0.5,
  };
}

export function attentionTensors(c: AttentionCase) {
  const width = c.H * c.D;
  return {
    /** [B, M, H * D]; small enough that a scale of 1 does not leave a single key. */
    q: weights(c.seed, 'q', c.B * c.M * width, c.D),
    /** [B, N, H * D] */
    k: floats(c.seed, 'k', c.B * c.N * width),
    v: floats(c.seed, 'v', c.B * c.N * width),
    /** [H, 2R + 1] */
    bias: c.R === undefined ? undefined : floats(c.seed, 'bias', c.H * (2 * c.R + 1), { gain: 2 }),
    /** [B] */
    lengths: c.lengths && Int32Array.from(c.lengths),
    scale: c.scale ?? 1,
    causal: c.causal ?? false,
  };
}

export function rotaryEmbedTensors(c: RotaryEmbedCase) {
  return {
    /** [B, rows, H * D] */
    x: floats(c.seed, 'x', c.B * c.rows * c.H * c.D),
    /** [P, D]: cosines, then sines; any numbers do */
    table: floats(c.seed, 'table', c.P * c.D),
  };
}

export function gatedActivationTensors(c: GatedActivationCase) {
  return {
    /** [B, rows, 2C] */
    x: floats(c.seed, 'x', c.B * c.rows * 2 * c.C, { gain: c.gain }),
    activation: c.activation,
  };
}

export function meanRowsTensors(c: MeanRowsCase) {
  return {
    /** [B, rows * G, C] */
    x: floats(c.seed, 'x', c.B * c.rows * c.G * c.C, { gain: c.gain, shift: c.shift }),
  };
}

export function gatedProjectionTensors(c: GatedProjectionCase) {
  const bias = c.bias ?? true;
  return {
    /** [B, rows, C] */
    x: floats(c.seed, 'x', c.B * c.rows * c.C),
    /** [C, C]: P, then P_g */
    weight: weights(c.seed, 'weight', c.C * c.C, c.C),
    bias: bias ? floats(c.seed, 'bias', c.C) : undefined,
    gate_weight: weights(c.seed, 'gate_weight', c.C * c.C, c.C),
    gate_bias: bias ? floats(c.seed, 'gate_bias', c.C) : undefined,
    gate: c.gate,
    /** [B, rows, C] */
    residual: c.residual && floats(c.seed, 'residual', c.B * c.rows * c.C),
  };
}

export function gatherRowsTensors(c: GatherRowsCase) {
  const fromTable = c.from === 'table';
  return {
    /** [entries, C], or [entries, rows, C] */
    [c.from]: floats(c.seed, c.from, c.entries * (fromTable ? 1 : c.rows) * c.C),
    /** [B * rows], or [B] */
    index: indices(c.seed, 'index', c.B * (fromTable ? c.rows : 1), c.entries),
  } as { table?: Float32Array; source?: Float32Array; index: Int32Array };
}
