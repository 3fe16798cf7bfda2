// QA-ViT's three signature operations by hand, on typed arrays, without a model: what happens in one fused layer. M visual tokens of width C
// in H heads look at themselves and at K question tokens; the gate decides how much of the question-aware projection is added.
//
//   node examples/ops.mjs
import { ops } from 'qavit/ops';

const [C, H, K, PATCH, SIDE] = [64, 4, 5, 8, 32];

/** The same small numbers in every run. */
let state = 1;
const random = () => ((state = (state * 48271) % 2147483647) / 2147483647 - 0.5) * 0.2;
const numbers = (...shape) => ({ data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, random), shape });

const pixels = { data: Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => i % 251), shape: [SIDE, SIDE, 3] };
const M = (SIDE / PATCH) ** 2;
const embedding = { weight: numbers(C, PATCH * PATCH * 3), table: numbers(M, C) };
const tokens = await ops.patchEmbed(pixels, embedding, { patch: PATCH });
const normed = await ops.layerNorm(tokens);
const [q, k, v] = await Promise.all([1, 2, 3].map(() => ops.linear(normed, { weight: numbers(C, C) })));
const question = { questionK: numbers(K, C), questionV: numbers(K, C) };

const plain = await ops.concatAttention({ q, k, v }, { heads: H });
const asked = await ops.concatAttention({ q, k, v, ...question }, { heads: H });

const projection = { weight: numbers(C, C), bias: numbers(C), gateWeight: numbers(C, C), gateBias: numbers(C) };
const gated = (x, gate) => ops.gatedProjection(x, { ...projection, gate }, { residual: tokens });
const { weight, bias } = projection;
const frozen = await ops.linear(asked, { weight, bias }, { residual: tokens });

const largest = (a, b) =>
  a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0).toExponential(1);
console.log(`${M} visual tokens and ${K} question tokens, C = ${C}, H = ${H}`);
console.log(`attention: the question changes a value by up to ${largest(asked, plain)}`);
console.log(`gate 0: differs from the frozen projection by ${largest(await gated(asked, 0), frozen)}`);
console.log(`gate ${Math.tanh(0.5).toFixed(3)}: by up to ${largest(await gated(asked, Math.tanh(0.5)), frozen)}`);
