import { expect } from 'chai';
import {
  appendRows,
  attention,
  concatAttention,
  concatColumns,
  concatRows,
  copy,
  dim,
  embedRows,
  gatedActivation,
  gatedProjection,
  gatherRows,
  Graph,
  joinSamples,
  layerNorm,
  linear,
  type Parameter,
  patchEmbed,
  questionAttention,
  rmsNorm,
  rotaryEmbed,
  type Tensor,
} from '../../lib/graph';
import { expectThrow } from '../support/expect-error';

const BF16 = { dtype: 'bf16', stream: 'f32' } as const;
const F32 = { dtype: 'f32', stream: 'f32' } as const;

const matrix = (...shape: number[]): Parameter => ({ name: 'w', role: 'matrix', shape });
const vector = (n: number): Parameter => ({ name: 'b', role: 'vector', shape: [n] });
const table = (...shape: number[]): Parameter => ({ name: 't', role: 'table', shape });

describe('graph operations', () => {
  const [B, M, K, C] = [dim('B', 2), dim('M', 577), dim('K', 30), dim('C', 1024)];
  const one = dim('1', 1);
  let g: Graph;
  let x: Tensor;

  beforeEach(() => {
    g = Graph.create('test', F32);
    x = g.input('f32', [B, M, C]);
  });

  it('names the operation, the argument and both shapes', () => {
    const scope = g.scope('layers').scope(3).scope('mlp').scope('fc1');
    const wanted = 'Expected weight [N=4096, C=1024] for linear layers.3.mlp.fc1 but received [4096, 768]';
    expectThrow(() => linear(scope, x, { weight: matrix(4096, 768) }), 'ERR_SHAPE', wanted);
  });

  it('checks every argument of linear', () => {
    const weight = matrix(64, 1024);
    expectThrow(
      () => linear(g, x, { weight, bias: vector(63) }),
      'ERR_SHAPE',
      /bias \[N=64\] for linear but received \[63\]/,
    );
    expectThrow(() => linear(g, x, { weight: matrix(1024) }), 'ERR_SHAPE', /received \[1024\]/);
    expectThrow(() => linear(g, x, { weight: matrix(64, 0) }), 'ERR_SHAPE', /received \[64, 0\]/);
    expectThrow(() => linear(g, x, { weight: matrix(3, 64, 1024) }), 'ERR_SHAPE', /received \[3, 64, 1024\]/);
    expectThrow(() => linear(g, x, { weight: matrix(2, 64, 511) }), 'ERR_SHAPE', /weight \[groups=2, N=64, C=512\]/);
    expectThrow(() => linear(g, x, { weight }, { alpha: NaN }), 'ERR_ARGUMENT', /finite alpha .* NaN/);
    const residual = g.input('f32', [B, M, dim('C', 63)]);
    expectThrow(() => linear(g, x, { weight }, { residual }), 'ERR_SHAPE', /residual \[B=2, M=577, C=64\].*C=63\]/);
    const bytes = g.input('u8', [B, M, C]);
    expectThrow(() => linear(g, bytes, { weight }), 'ERR_DTYPE', /x in f32 for linear but received u8/);
  });

  it('asks for matrices in the compute dtype', () => {
    const half = Graph.create('test', BF16);
    const wide = half.input('f32', [B, M, C]);
    expectThrow(() => linear(half, wide, { weight: matrix(8, 1024) }), 'ERR_DTYPE', /x in bf16/);
    linear(half, layerNorm(half, wide, { eps: 1e-5 }), { weight: matrix(8, 1024) });
  });

  it('checks every argument of layerNorm', () => {
    expectThrow(() => layerNorm(g, x, { gamma: vector(8), eps: 1e-5 }), 'ERR_SHAPE', /gamma \[C=1024\]/);
    expectThrow(() => layerNorm(g, x, { beta: vector(8), eps: 1e-5 }), 'ERR_SHAPE', /beta \[C=1024\]/);
    for (const eps of [0, -1, NaN, Infinity]) expectThrow(() => layerNorm(g, x, { eps }), 'ERR_ARGUMENT', /eps > 0/);
  });

  it('checks every argument of concatAttention', () => {
    const [k, v] = [x, x];
    const options = { heads: 16, scale: 0.125 };
    const rows = g.input('f32', [B, K, C]);
    const ask = (question: { k: Tensor; v: Tensor; lengths?: Tensor }) => () =>
      concatAttention(g, { q: x, k, v, question }, options);
    expectThrow(
      () => concatAttention(g, { q: x, k, v }, { ...options, heads: 15 }),
      'ERR_ARGUMENT',
      /heads that divide/,
    );
    expectThrow(
      () => concatAttention(g, { q: x, k, v }, { ...options, scale: Infinity }),
      'ERR_ARGUMENT',
      /finite scale/,
    );
    const narrow = g.input('f32', [B, M, dim('C', 512)]);
    expectThrow(() => concatAttention(g, { q: x, k: narrow, v }, options), 'ERR_SHAPE', /k \[B=2, M=577, C=1024\]/);
    expectThrow(() => concatAttention(g, { q: x, k, v: rows }, options), 'ERR_SHAPE', /v \[B=2, M=577, C=1024\]/);
    const single = g.input('f32', [dim('B', 1), K, C]);
    expectThrow(ask({ k: single, v: rows }), 'ERR_SHAPE', /question_k \[B=2, K=30, C=1024\].*\[B=1, K=30, C=1024\]/);
    expectThrow(ask({ k: rows, v: x }), 'ERR_SHAPE', /question_v \[B=2, K=30, C=1024\]/);
    const lengths = g.input('i32', [one, one, dim('B', 3)]);
    expectThrow(ask({ k: rows, v: rows, lengths }), 'ERR_SHAPE', /question_lengths \[1=1, 1=1, B=2\]/);
    expectThrow(ask({ k: rows, v: rows, lengths: x }), 'ERR_DTYPE', /question_lengths in i32/);
    ask({ k: single.broadcast(B), v: rows })();
  });

  it('checks questionAttention like concatAttention', () => {
    const rows = g.input('f32', [dim('B', 1), K, C]);
    const call = () => questionAttention(g, { q: x, k: x, question: { k: rows } }, { heads: 16, scale: 1 });
    expectThrow(call, 'ERR_SHAPE', /question_k \[B=2, K=30, C=1024\] for question_attention/);
  });

  it('checks every argument of gatedProjection', () => {
    const weight = matrix(1024, 1024);
    expectThrow(() => gatedProjection(g, x, { weight: matrix(1024, 8) }), 'ERR_SHAPE', /weight \[C=1024, C=1024\]/);
    expectThrow(() => gatedProjection(g, x, { weight, bias: vector(1) }), 'ERR_SHAPE', /bias \[C=1024\]/);
    const gate = { weight: matrix(8, 8), value: 0.5 };
    expectThrow(() => gatedProjection(g, x, { weight, gate }), 'ERR_SHAPE', /gate_weight \[C=1024, C=1024\]/);
    const nan = { weight, value: NaN };
    expectThrow(() => gatedProjection(g, x, { weight, gate: nan }), 'ERR_ARGUMENT', /finite gate/);
    const residual = g.input('f32', [B, K, C]);
    expectThrow(() => gatedProjection(g, x, { weight }, { residual }), 'ERR_SHAPE', /residual \[B=2, M=577, C=1024\]/);
  });

  it('checks every argument of patchEmbed', () => {
    const pixels = g.input('u8', [B, dim('rows', 28), dim('columns*3', 28 * 3)]);
    const parameters = { weight: matrix(8, 588), table: table(5, 8) };
    const options = { patch: 14, hasClass: true };
    patchEmbed(g, pixels, parameters, options);
    expectThrow(() => patchEmbed(g, x, parameters, options), 'ERR_DTYPE', /pixels in u8/);
    const odd = g.input('u8', [B, dim('rows', 28), dim('columns*3', 28)]);
    expectThrow(() => patchEmbed(g, odd, parameters, options), 'ERR_ARGUMENT', /3 channels/);
    expectThrow(() => patchEmbed(g, pixels, parameters, { ...options, patch: 29 }), 'ERR_ARGUMENT', /patch of 1 to 28/);
    for (const [rows, columns] of [
      [28, 14],
      [14, 28],
    ] as const) {
      const oblong = g.input('u8', [B, dim('rows', rows), dim('columns*3', columns * 3)]);
      const call = () => patchEmbed(g, oblong, parameters, { ...options, patch: 15 });
      expectThrow(call, 'ERR_ARGUMENT', /a patch of 1 to 14 pixels for patch_embed but received 15/);
    }
    const four = { ...parameters, table: table(4, 8) };
    expectThrow(() => patchEmbed(g, pixels, four, options), 'ERR_SHAPE', /table \[M=5, C=8\].*\[4, 8\]/);
    const small = { ...parameters, weight: matrix(8, 196) };
    expectThrow(() => patchEmbed(g, pixels, small, options), 'ERR_SHAPE', /weight \[C=8, P\*P\*3=588\]/);
  });

  it('checks gatherRows and copies', () => {
    expectThrow(() => gatherRows(g, x, g.input('i32', [one, dim('r', 2), B])), 'ERR_SHAPE', /index \[1=1, 1=1, B=2\]/);
    expectThrow(() => gatherRows(g, x, x), 'ERR_DTYPE', /index in i32/);
    expectThrow(() => copy(g, g.input('i32', [one, one, B])), 'ERR_DTYPE', /x in f32 or bf16 or f16/);
    expectThrow(() => concatColumns(g, [], 'C'), 'ERR_ARGUMENT', /nothing/);
    const rows = g.input('f32', [B, K, C]);
    expectThrow(() => concatColumns(g, [x, rows], '2C'), 'ERR_SHAPE', /x \[B=2, M=577, C=1024\]/);
    expectThrow(() => concatRows(g, [], 'M'), 'ERR_ARGUMENT', /nothing/);
    expectThrow(() => concatRows(g, [x, g.input('f32', [B, M, K])], 'M'), 'ERR_SHAPE', /x \[B=2, M=577, C=1024\]/);
    expectThrow(() => concatRows(g, [x, g.input('i32', [B, one, C])], 'M'), 'ERR_DTYPE', /x in f32 or bf16 or f16/);
    expect(concatRows(g, [rows], 'M')).to.equal(rows);
    const taller = concatRows(g, [x.sliceRows(0, 1), rows, x], 'M');
    expect(taller.shape.map(({ name, size }) => `${name}=${size}`)).to.deep.equal(['B=2', 'M=608', 'C=1024']);
    const sample = (rows: number, dtype: 'f32' | 'bf16' = 'f32') => g.input(dtype, [one, dim('M', rows), C]);
    expectThrow(() => joinSamples(g, []), 'ERR_ARGUMENT', /nothing/);
    expectThrow(() => joinSamples(g, [sample(9), sample(8)]), 'ERR_SHAPE', /x \[1=1, M=9, C=1024\].*M=8/);
    expectThrow(() => joinSamples(g, [x, x]), 'ERR_SHAPE', /x \[1=1, M=577, C=1024\].*\[B=2/);
    expectThrow(() => joinSamples(g, [sample(9), sample(9, 'bf16')]), 'ERR_DTYPE', /x in f32 .*bf16/);
    expect(joinSamples(g, [sample(9, 'bf16'), sample(9, 'bf16')]).dtype).to.equal('bf16');
  });

  it('checks slices and broadcasts', () => {
    for (const [start, end] of [
      [0, 0],
      [-1, 2],
      [2, 1],
      [0, 578],
      [0.5, 1],
      [NaN, 1],
    ] as const) {
      expectThrow(() => x.sliceRows(start, end), 'ERR_SHAPE', /rows within \[B=2, M=577, C=1024\] for a slice/);
    }
    expectThrow(() => x.sliceColumns(0, 1025), 'ERR_SHAPE', /columns within/);
    expectThrow(() => x.broadcast(dim('B', 4)), 'ERR_SHAPE', /one sample for broadcast but received \[B=2/);
    const rows = x.mergeSamples('B*M');
    expect(rows.describe()).to.deep.include({ shape: [1, 2 * 577, 1024], rowStride: 1024 });
    expect(rows.splitRows(B).describe()).to.deep.equal(x.describe());
    expectThrow(() => x.sliceRows(1, 577).mergeSamples('B*M'), 'ERR_SHAPE', /samples that follow each other/);
    expectThrow(() => x.splitRows(dim('S', 1)), 'ERR_SHAPE', /one sample whose rows .* but received \[B=2/);
    expectThrow(() => rows.splitRows(dim('S', 4)), 'ERR_SHAPE', /shared out among 4/);
    for (const size of [0, -1, 1.5, NaN])
      expectThrow(() => dim('K', size), 'ERR_SHAPE', /positive integer for dimension K/);
  });

  it('does not mix tensors of two graphs', () => {
    const other = Graph.create('other', F32).input('f32', [B, M, C]);
    expectThrow(() => copy(g, other), 'ERR_ARGUMENT', /a tensor of this graph for x of copy/);
    expectThrow(() => g.output(other), 'ERR_ARGUMENT', /another one/);
  });

  it('takes whole results as outputs only', () => {
    expectThrow(() => g.output(x), 'ERR_ARGUMENT', /an input/);
    const y = copy(g, x);
    expectThrow(() => g.output(y.sliceRows(1, 577)), 'ERR_ARGUMENT', /a slice/);
    g.output(y);
    expectThrow(() => g.output(y), 'ERR_ARGUMENT', /an output/);
  });

  it('checks every argument of rms_norm, gated_activation and attention', () => {
    expectThrow(() => rmsNorm(g, x, { gamma: vector(7), eps: 1 }), 'ERR_SHAPE', /gamma \[C=1024\] for rms_norm/);
    expectThrow(() => rmsNorm(g, x, { eps: 0 }), 'ERR_ARGUMENT', /eps > 0 for rms_norm but received 0/);
    const odd = g.input('f32', [B, M, dim('2F', 33)]);
    expectThrow(() => gatedActivation(g, odd, 'silu'), 'ERR_ARGUMENT', /x of 2F columns .*2F=33\]/);
    const narrow = g.input('bf16', [B, M, C]);
    expectThrow(() => gatedActivation(g, narrow, 'silu'), 'ERR_DTYPE', /x in f32 for gated_activation/);

    const [q, k] = [x, g.input('f32', [B, K, C])];
    const given = { q, k, v: k };
    const options = { heads: 16, scale: 1 };
    const asked =
      (more: object, operands = given) =>
      () =>
        attention(g, operands, { ...options, ...more });
    expectThrow(asked({ heads: 7 }), 'ERR_ARGUMENT', /heads that divide/);
    expectThrow(asked({ scale: NaN }), 'ERR_ARGUMENT', /a finite scale/);
    expectThrow(asked({ causal: true }), 'ERR_SHAPE', /k \[B=2, M=577, C=1024\] for attention .*K=30/);
    expectThrow(asked({ bias: table(16, 4) }), 'ERR_ARGUMENT', /bias of 2R \+ 1 columns .*\[16, 4\]/);
    expectThrow(
      asked({ bias: table(15, 5) }),
      'ERR_SHAPE',
      /bias \[H=16, 2R\+1=5\] for attention but received \[15, 5\]/,
    );
    expectThrow(asked({ lengths: g.input('i32', [one, one, one]) }), 'ERR_SHAPE', /lengths \[1=1, 1=1, B=2\]/);
    expectThrow(asked({ lengths: g.input('f32', [one, one, B]) }), 'ERR_DTYPE', /lengths in i32/);
    expectThrow(asked({}, { ...given, v: q }), 'ERR_SHAPE', /v \[B=2, K=30, C=1024\]/);
    expectThrow(asked({}, { ...given, k: narrow }), 'ERR_DTYPE', /k in f32/);
    expect(attention(g, given, { ...options, bias: table(16, 5) }).shape).to.deep.equal(q.shape);
  });

  it('checks every argument of rotary_embed', () => {
    expect(rotaryEmbed(g, x, table(576, 64)).shape).to.deep.equal(x.shape);
    expectThrow(() => rotaryEmbed(g, x, table(576, 33)), 'ERR_ARGUMENT', /table \[P, D\] of an even D .*\[576, 33\]/);
    expectThrow(() => rotaryEmbed(g, x, vector(576)), 'ERR_ARGUMENT', /table \[P, D\] of an even D .*\[576\]/);
    expectThrow(() => rotaryEmbed(g, x, table(576, 48)), 'ERR_ARGUMENT', /x of heads that are 48 wide .*C=1024\]/);
    expectThrow(() => rotaryEmbed(g, x, table(578, 64)), 'ERR_ARGUMENT', /at most 577 rows .*\[578, 64\]/);
    expectThrow(() => rotaryEmbed(g, g.input('bf16', [B, M, C]), table(576, 64)), 'ERR_DTYPE', /x in f32/);
  });

  it('checks what is appended, embedded and put one behind another', () => {
    const cache = g.state('f32', [B, dim('N', 32), C]);
    const rows = g.input('f32', [B, dim('R', 1), C]);
    const position = g.input('i32', [one, one, B]);
    const width = g.input('f32', [B, dim('R', 1), dim('C', 8)]);
    expectThrow(() => appendRows(g, cache, width, position), 'ERR_SHAPE', /cache \[B=2, N=32, C=8\]/);
    expectThrow(() => appendRows(g, cache, rows, rows), 'ERR_DTYPE', /position in i32/);
    expectThrow(() => appendRows(g, cache, x, position), 'ERR_ARGUMENT', /a cache that the rows fit in .* 32/);
    appendRows(g, cache, rows, position);
    appendRows(g, cache, g.input('f32', [B, dim('R', 32), C]), position);
    expectThrow(() => embedRows(g, table(9, 8), rows), 'ERR_DTYPE', /index in i32/);
    const embedded = embedRows(g, table(9, 8), g.input('i32', [one, one, dim('K', 3)]));
    expect(embedded.shape.map(({ size }) => size)).to.deep.equal([1, 3, 8]);
  });
});
