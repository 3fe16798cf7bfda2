/**
 * `qavit/ops`: the kernels themselves, on typed arrays, on the CPU. Symbols: B batch, M visual tokens, K question tokens, N keys,
 * C width, H heads, D head width, P patch. Shapes may leave B out; results then do too. Arrays are read while a call runs: leave
 * them as they are until it resolves. Parameters are packed at each call; for a whole model, whose parameters stay, there is `QAViT`.
 *
 * Every function rejects with a `QAViTError`: ERR_SHAPE, ERR_DTYPE or ERR_ARGUMENT naming operation, operand and both shapes;
 * ERR_UNSUPPORTED where there is no native addon; ERR_ABORTED; ERR_OUT_OF_MEMORY.
 */
import type { ActivationName } from './binding/native';
import { anything, boolean, checkOptions, integer, number, oneOf } from './calls/options';
import { expected, expectedButFound } from './errors';
import * as graph from './graph';
import { type Numbers, OneOp, RUN_RULES, type RunOptions } from './ops/one-op';

export type { ActivationName, Numbers, RunOptions };

const ACTIVATIONS: readonly ActivationName[] = ['none', 'relu', 'gelu_erf', 'gelu_tanh', 'quick_gelu', 'silu', 'tanh'];
const OPERANDS = {
  q: anything,
  k: anything,
  v: anything,
  questionK: anything,
  questionV: anything,
  questionLengths: anything,
};
const FINITE = number(-Number.MAX_VALUE, Number.MAX_VALUE);
const GATED_PARAMETERS = { weight: anything, bias: anything, gateWeight: anything, gateBias: anything, gate: FINITE };

export interface PatchEmbedOptions extends RunOptions {
  /** P, pixels. */
  patch: number;
  /** Whether row 0 of the table is a class token in front of the patches. Default false. */
  hasClass?: boolean;
}

/**
 * Patches of raw pixels to tokens: out[p] = W patch(p) + table[p]. The normalisation of pixels belongs into W and table
 * (docs/architecture.md, What is folded at load).
 *
 * @param pixels bytes [B, height, width, 3], cropped to whole patches
 * @param parameters weight [C, P*P*3] over (row, column, channel); table [M, C]
 * @returns [B, M, C], M = floor(height / P) * floor(width / P), and one more with a class token
 * @example
 * const tokens = await ops.patchEmbed({ data: rgb, shape: [224, 224, 3] }, { weight, table }, { patch: 32, hasClass: true });
 */
export async function patchEmbed(
  pixels: Numbers<Uint8Array>,
  parameters: { weight: Numbers; table: Numbers },
  options: PatchEmbedOptions,
): Promise<Numbers> {
  const rules = { ...RUN_RULES, patch: integer(1, 2 ** 16), hasClass: boolean };
  const { patch, hasClass = false, ...run } = checkOptions(options, rules, 'patchEmbed');
  if (patch === undefined) throw expected('ERR_ARGUMENT', 'an integer', 'option patch of patchEmbed', patch);
  const op = new OneOp('patchEmbed', run);
  const given = checkOptions(parameters, { weight: anything, table: anything }, 'patchEmbed');
  const weight = op.parameter('weight', 'matrix', given.weight);
  const table = op.parameter('table', 'table', given.table);
  const result = graph.patchEmbed(op.graph, op.pixels('pixels', pixels), { weight, table }, { patch, hasClass });
  return op.run(result, pixels.shape.length - 1);
}

/**
 * (x - mean) / sqrt(variance + eps) * gamma + beta over the columns (Ba et al. 2016, arXiv 1607.06450).
 *
 * @param x [B, rows, C]
 * @param parameters gamma [C] (default 1), beta [C] (default 0), eps (default 1e-5)
 * @returns [B, rows, C]
 * @example
 * const y = await ops.layerNorm({ data: x, shape: [577, 1024] }, { gamma, beta });
 */
export async function layerNorm(
  x: Numbers,
  parameters: { gamma?: Numbers; beta?: Numbers; eps?: number } = {},
  options?: RunOptions,
): Promise<Numbers> {
  const rules = { gamma: anything, beta: anything, eps: FINITE };
  const { gamma, beta, eps = 1e-5 } = checkOptions(parameters, rules, 'layerNorm');
  const op = new OneOp('layerNorm', checkOptions(options, RUN_RULES, 'layerNorm'));
  const norm = {
    gamma: gamma && op.parameter('gamma', 'vector', gamma),
    beta: beta && op.parameter('beta', 'vector', beta),
    eps,
  };
  const result = graph.layerNorm(op.graph, op.plain('x', x, ['B', 'rows', 'C']), norm, { dtype: 'f32' });
  return op.run(result, x.shape.length);
}

export interface LinearOptions extends RunOptions {
  /** Default `none`. */
  activation?: ActivationName;
  /** Default 1. */
  alpha?: number;
  /** [B, rows, N] */
  residual?: Numbers;
}

/**
 * residual + alpha * activation(x W^T + bias).
 *
 * @param x [B, rows, C]
 * @param parameters weight [N, C], or [groups, N, C] for a block-diagonal map of x [B, rows, groups*C]; bias [groups*N]
 * @returns [B, rows, groups*N]
 * @example
 * const y = await ops.linear({ data: x, shape: [577, 1024] }, { weight, bias }, { activation: 'quick_gelu', dtype: 'bf16' });
 */
export async function linear(
  x: Numbers,
  parameters: { weight: Numbers; bias?: Numbers },
  options?: LinearOptions,
): Promise<Numbers> {
  const rules = { ...RUN_RULES, activation: oneOf(...ACTIVATIONS), alpha: FINITE, residual: anything };
  const { activation, alpha, residual, ...run } = checkOptions(options, rules, 'linear');
  const op = new OneOp('linear', run);
  const given = checkOptions(parameters, { weight: anything, bias: anything }, 'linear');
  const weight = op.parameter('weight', 'matrix', given.weight);
  const bias = given.bias && op.parameter('bias', 'vector', given.bias);
  const result = graph.linear(
    op.graph,
    op.activation('x', x, ['B', 'rows', 'C']),
    { weight, bias },
    {
      activation,
      alpha,
      residual: residual && op.plain('residual', residual, ['B', 'rows', 'N']),
      dtype: 'f32',
    },
  );
  return op.run(result, x.shape.length);
}

export interface AttentionOperands {
  /** [B, M, H*D] */
  q: Numbers;
  /** [B, N, H*D] */
  k: Numbers;
  /** [B, N, H*D] */
  v: Numbers;
  /** [B, K, H*D]; without questionK and questionV it is plain attention. */
  questionK?: Numbers;
  /** [B, K, H*D] */
  questionV?: Numbers;
  /** [B], each 0..K: how many rows of each question are real. Default: all. */
  questionLengths?: Int32Array;
}

export interface AttentionOptions extends RunOptions {
  /** H */
  heads: number;
  /** Factor of the scores. Default D^-0.5. */
  scale?: number;
}

/**
 * softmax([q Kq^T ; q Kv^T] * scale) [Vq ; Vv] per head: visual tokens ask, question and visual tokens answer. QA-ViT (Ganz et al.
 * 2024, arXiv 2402.05472), section 3.1.
 *
 * @returns [B, M, H*D]
 * @example
 * const y = await ops.concatAttention({ q, k, v, questionK, questionV }, { heads: 16 });
 */
export async function concatAttention(operands: AttentionOperands, options: AttentionOptions): Promise<Numbers> {
  const rules = { ...RUN_RULES, heads: integer(1, 2 ** 16), scale: FINITE };
  const { heads, scale, ...run } = checkOptions(options, rules, 'concatAttention');
  if (heads === undefined) throw expected('ERR_ARGUMENT', 'an integer', 'option heads of concatAttention', heads);
  const op = new OneOp('concatAttention', run);
  const { q, k, v, questionK, questionV, questionLengths } = checkOptions(operands, OPERANDS, 'concatAttention');
  if (!questionK !== !questionV || (questionLengths && !questionK)) {
    const found = questionK ? 'questionK alone' : questionV ? 'questionV alone' : 'questionLengths alone';
    throw expected('ERR_ARGUMENT', 'questionK and questionV', 'concatAttention', found);
  }
  const visual = {
    q: op.activation('q', q, ['B', 'M', 'C']),
    k: op.activation('k', k, ['B', 'N', 'C']),
    v: op.activation('v', v, ['B', 'N', 'C']),
  };
  const question =
    questionK && questionV
      ? {
          k: op.activation('questionK', questionK, ['B', 'K', 'C']),
          v: op.activation('questionV', questionV, ['B', 'K', 'C']),
          lengths: questionLengths && op.integers('questionLengths', questionLengths),
        }
      : undefined;
  const width = visual.q.columns.size / heads;
  const result = graph.concatAttention(op.graph, { ...visual, question }, { heads, scale: scale ?? width ** -0.5 });
  return op.run(result, q.shape.length);
}

export interface GatedProjectionParameters {
  /** P, [C, C] */
  weight: Numbers;
  /** [C] */
  bias?: Numbers;
  /** P_g, [C, C]; without it `weight` is the fold of both. */
  gateWeight?: Numbers;
  /** [C] */
  gateBias?: Numbers;
  /** tanh(beta). Default 0. */
  gate?: number;
}

/**
 * residual + P(x) + gate * P_g(x). QA-ViT (Ganz et al. 2024, arXiv 2402.05472), section 3.2.
 *
 * @param x [B, rows, C]
 * @param options residual [B, rows, C]
 * @returns [B, rows, C]
 * @example
 * const y = await ops.gatedProjection(x, { weight, bias, gateWeight, gateBias, gate: Math.tanh(beta) }, { residual: x });
 */
export async function gatedProjection(
  x: Numbers,
  parameters: GatedProjectionParameters,
  options?: RunOptions & { residual?: Numbers },
): Promise<Numbers> {
  const { residual, ...run } = checkOptions(options, { ...RUN_RULES, residual: anything }, 'gatedProjection');
  const given = checkOptions(parameters, GATED_PARAMETERS, 'gatedProjection');
  const { weight, bias, gateWeight, gateBias, gate = 0 } = given;
  const op = new OneOp('gatedProjection', run);
  const alone = gateBias ? 'gateBias' : given.gate !== undefined ? 'gate' : undefined;
  if (alone && !gateWeight) {
    throw expectedButFound('ERR_ARGUMENT', `gateWeight beside ${alone}`, 'gatedProjection', `${alone} alone`);
  }
  const projection = {
    weight: op.parameter('weight', 'matrix', weight),
    bias: bias && op.parameter('bias', 'vector', bias),
    gate: gateWeight && {
      weight: op.parameter('gateWeight', 'matrix', gateWeight),
      bias: gateBias && op.parameter('gateBias', 'vector', gateBias),
      value: gate,
    },
  };
  const names = ['B', 'rows', 'C'] as const;
  const input = op.activation('x', x, names);
  const result = graph.gatedProjection(op.graph, input, projection, {
    residual: residual && op.plain('residual', residual, names),
  });
  return op.run(result, x.shape.length);
}

/** The same functions under one name: `import { ops } from 'qavit/ops'`. */
export const ops = { patchEmbed, layerNorm, linear, concatAttention, gatedProjection } as const;
