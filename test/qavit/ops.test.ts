import { expect } from 'chai';
import { type Numbers, ops } from '../../lib/ops';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { floats, random } from '../support/random';

const next = random(11);
const numbers = (...shape: number[]): Numbers => ({
  data: floats(
    next,
    shape.reduce((a, b) => a * b, 1),
  ),
  shape,
});

/** y[r, o] = sum over i of x[r, i] w[o, i] */
function product(x: Numbers, w: Numbers): number[] {
  const [out = 0, inputs = 0] = w.shape;
  const rows = x.data.length / inputs;
  return Array.from({ length: rows * out }, (_, at) => {
    const [r, o] = [Math.floor(at / out), at % out];
    let sum = 0;
    for (let i = 0; i < inputs; i += 1) sum += x.data[r * inputs + i]! * w.data[o * inputs + i]!;
    return sum;
  });
}

describe('qavit/ops', () => {
  it('linear', async () => {
    const [x, weight, bias, residual] = [numbers(3, 7), numbers(5, 7), numbers(5), numbers(3, 5)];
    const y = await ops.linear(x, { weight, bias }, { activation: 'relu', alpha: 0.5, residual });
    const wanted = product(x, weight).map((v, i) => residual.data[i]! + 0.5 * Math.max(0, v + bias.data[i % 5]!));
    expect(y.shape).to.deep.equal([3, 5]);
    expect(relativeError(y.data, wanted)).to.be.below(1e-6);
    const bf16 = await ops.linear(x, { weight, bias }, { activation: 'relu', alpha: 0.5, residual, dtype: 'bf16' });
    expect(relativeError(bf16.data, wanted)).to.be.within(1e-6, 1e-2);
  });

  it('linear with groups, a batch and nothing else', async () => {
    const [x, weight] = [numbers(2, 3, 8), numbers(2, 5, 4)];
    const y = await ops.linear(x, { weight });
    expect(y.shape).to.deep.equal([2, 3, 10]);
    const half = (from: Numbers, start: number, columns: number): Numbers => ({
      data: from.data.filter((_, i) => Math.floor((i % 8) / 4) === start),
      shape: [6, columns],
    });
    const part = { data: weight.data.slice(20), shape: [5, 4] };
    const second = y.data.filter((_, i) => i % 10 >= 5);
    expect(relativeError(second, product(half(x, 1, 4), part))).to.be.below(1e-6);
  });

  it('layerNorm', async () => {
    const [x, gamma, beta] = [numbers(4, 6), numbers(6), numbers(6)];
    const y = await ops.layerNorm(x, { gamma, beta, eps: 1e-6 });
    const wanted = x.data.map((_, at) => {
      const row = x.data.subarray(at - (at % 6), at - (at % 6) + 6);
      const mean = row.reduce((a, b) => a + b) / 6;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / 6;
      return ((x.data[at]! - mean) / Math.sqrt(variance + 1e-6)) * gamma.data[at % 6]! + beta.data[at % 6]!;
    });
    expect(relativeError(y.data, wanted)).to.be.below(1e-6);
    const usual = await ops.layerNorm(x);
    expect(usual).to.deep.equal(await ops.layerNorm(x, { eps: 1e-5 }));
    expect(usual.shape).to.deep.equal([4, 6]);
    const flat = { data: new Float32Array([0, 1e-3]), shape: [1, 2] };
    expect((await ops.layerNorm(flat)).data[1]).to.be.closeTo(5e-4 / Math.sqrt(25e-8 + 1e-5), 1e-6);
  });

  it('gatedProjection, folded and not', async () => {
    const [x, weight, gateWeight] = [numbers(3, 4), numbers(4, 4), numbers(4, 4)];
    const [bias, gateBias] = [numbers(4), numbers(4)];
    const y = await ops.gatedProjection(x, { weight, bias, gateWeight, gateBias, gate: 0.3 }, { residual: x });
    const fold = (a: Numbers, b: Numbers): Numbers => ({
      data: a.data.map((v, i) => v + 0.3 * b.data[i]!),
      shape: a.shape,
    });
    const folded = await ops.gatedProjection(
      x,
      { weight: fold(weight, gateWeight), bias: fold(bias, gateBias) },
      { residual: x },
    );
    expect(relativeError(y.data, folded.data)).to.be.below(1e-6);
    const [p, pg] = [product(x, weight), product(x, gateWeight)];
    const wanted = p.map((v, i) => x.data[i]! + v + bias.data[i % 4]! + 0.3 * (pg[i]! + gateBias.data[i % 4]!));
    expect(relativeError(y.data, wanted)).to.be.below(1e-6);
  });

  it('concatAttention', async () => {
    const [q, k, v, questionK, questionV] = [numbers(3, 8), numbers(3, 8), numbers(3, 8), numbers(2, 8), numbers(2, 8)];
    const attend = (keys: Numbers, values: Numbers) => {
      const count = keys.data.length / 8;
      return Array.from({ length: 24 }, (_, at) => {
        const [row, head, column] = [Math.floor(at / 8), Math.floor((at % 8) / 4), at % 8];
        const scores = Array.from({ length: count }, (_unused, n) => {
          let sum = 0;
          for (let i = 0; i < 4; i += 1) sum += q.data[row * 8 + head * 4 + i]! * keys.data[n * 8 + head * 4 + i]!;
          return Math.exp(sum / 2);
        });
        const total = scores.reduce((a, b) => a + b);
        return scores.reduce((sum, score, n) => sum + (score / total) * values.data[n * 8 + column]!, 0);
      });
    };
    const joined = (a: Numbers, b: Numbers, rows: number): Numbers => ({
      data: Float32Array.from([...a.data.subarray(0, rows * 8), ...b.data]),
      shape: [rows + 3, 8],
    });
    const options = { heads: 2 };
    const plain = await ops.concatAttention({ q, k, v }, options);
    expect(relativeError(plain.data, attend(k, v))).to.be.below(1e-6);
    const asked = await ops.concatAttention({ q, k, v, questionK, questionV }, options);
    expect(relativeError(asked.data, attend(joined(questionK, k, 2), joined(questionV, v, 2)))).to.be.below(1e-6);
    const questionLengths = Int32Array.of(1);
    const short = await ops.concatAttention({ q, k, v, questionK, questionV, questionLengths }, options);
    expect(relativeError(short.data, attend(joined(questionK, k, 1), joined(questionV, v, 1)))).to.be.below(1e-6);
    const doubled = { data: q.data.map((value) => 2 * value), shape: q.shape };
    const sharper = await ops.concatAttention({ q, k, v }, { ...options, scale: 1 });
    expect(relativeError(sharper.data, (await ops.concatAttention({ q: doubled, k, v }, options)).data)).to.be.below(
      1e-6,
    );
    const bf16 = await ops.concatAttention(
      { q, k, v, questionK, questionV },
      { ...options, dtype: 'bf16', scale: 0.5 },
    );
    expect(relativeError(bf16.data, asked.data)).to.be.within(1e-7, 1e-2);
  });

  it('patchEmbed', async () => {
    const pixels = { data: Uint8Array.from({ length: 4 * 6 * 3 }, () => Math.floor(next() * 256)), shape: [4, 6, 3] };
    const [weight, table] = [numbers(5, 12), numbers(7, 5)];
    const y = await ops.patchEmbed(pixels, { weight, table }, { patch: 2, hasClass: true });
    expect(y.shape).to.deep.equal([7, 5]);
    const patches = Float32Array.from({ length: 6 * 12 }, (_, at) => {
      const [p, i] = [Math.floor(at / 12), at % 12];
      const [row, column] = [Math.floor(p / 3) * 2 + Math.floor(i / 6), (p % 3) * 2 + Math.floor((i % 6) / 3)];
      return pixels.data[(row * 6 + column) * 3 + (i % 3)]!;
    });
    const wanted = product({ data: patches, shape: [6, 12] }, weight).map((v, i) => v + table.data[5 + i]!);
    expect(relativeError(y.data, [...table.data.subarray(0, 5), ...wanted])).to.be.below(1e-6);
  });

  it('may be called many at a time', async () => {
    const [x, weight] = [numbers(3, 7), numbers(5, 7)];
    const all = await Promise.all(Array.from({ length: 20 }, () => ops.linear(x, { weight })));
    for (const { data } of all) expect(data).to.deep.equal(all[0]!.data);
  });

  it('names operation, operand and both shapes', async () => {
    const [x, weight] = [numbers(3, 7), numbers(5, 7)];
    const refuse = (
      call: Promise<unknown>,
      code: 'ERR_SHAPE' | 'ERR_DTYPE' | 'ERR_ARGUMENT' | 'ERR_ABORTED',
      message: RegExp,
    ) => expectRejection(call, code, message);
    await refuse(
      ops.linear(numbers(3, 8), { weight }),
      'ERR_SHAPE',
      /weight \[N=5, C=8\] for linear but received \[5, 7\]/,
    );
    await refuse(
      ops.linear({ data: x.data, shape: [3, 8] }, { weight }),
      'ERR_SHAPE',
      /24 numbers for \[3, 8\] for data of x of linear .* 21/,
    );
    await refuse(
      ops.linear({ data: x.data, shape: [21] }, { weight }),
      'ERR_SHAPE',
      /2 or 3 positive dimensions for shape of x of linear/,
    );
    await refuse(ops.linear({ data: x.data, shape: [-3, -7] }, { weight }), 'ERR_SHAPE', /positive dimensions/);
    await refuse(ops.linear(x, { weight, bias: numbers(4) }), 'ERR_SHAPE', /bias \[N=5\]/);
    await refuse(
      ops.linear([...x.data] as never, { weight }),
      'ERR_ARGUMENT',
      /\{ data: Float32Array, shape \} for x of linear/,
    );
    await refuse(
      ops.linear({ data: new Float64Array(21), shape: [3, 7] } as never, { weight }),
      'ERR_DTYPE',
      /a Float32Array/,
    );
    await refuse(
      ops.linear(x, undefined as never),
      'ERR_ARGUMENT',
      /\{ data: Float32Array, shape \} for weight of linear/,
    );
    await refuse(
      ops.linear(x, { weight }, { activation: 'gelu' as never }),
      'ERR_ARGUMENT',
      /one of none, relu, gelu_erf/,
    );
    await refuse(
      ops.linear(x, { weight }, { activaton: 'relu' } as never),
      'ERR_ARGUMENT',
      /did you mean activation\?/,
    );
    await refuse(ops.linear(x, { weight }, { dtype: 'f16' as never }), 'ERR_ARGUMENT', /one of f32, bf16/);
    await refuse(ops.linear(x, { weight }, { signal: AbortSignal.abort() }), 'ERR_ABORTED', /completion for linear/);
    await refuse(ops.layerNorm(x, { gamma: numbers(6) }), 'ERR_SHAPE', /gamma \[C=7\]/);
    await refuse(ops.layerNorm(x, { eps: -1 }), 'ERR_ARGUMENT', /eps > 0/);
    const question = { q: x, k: x, v: x, questionK: x };
    await refuse(ops.concatAttention(question, { heads: 1 }), 'ERR_ARGUMENT', /questionK alone/);
    await refuse(ops.concatAttention({ q: x, k: x, v: x }, { heads: 2 }), 'ERR_ARGUMENT', /heads that divide/);
    await refuse(
      ops.concatAttention({ q: x, k: x, v: x }, {} as never),
      'ERR_ARGUMENT',
      /option heads of concatAttention/,
    );
    const lengths = { ...question, questionV: x, questionLengths: Int32Array.of(4) };
    await refuse(ops.concatAttention(lengths, { heads: 1 }), 'ERR_ARGUMENT', /question_lengths/);
    const two = { ...question, questionV: x, questionLengths: Int32Array.of(1, 1) };
    await refuse(ops.concatAttention(two, { heads: 1 }), 'ERR_SHAPE', /question_lengths/);
    await refuse(
      ops.gatedProjection(x, { weight: numbers(7, 7), gateBias: numbers(7) }),
      'ERR_ARGUMENT',
      /gateBias alone/,
    );
    await refuse(ops.gatedProjection(x, { weight: numbers(7, 7), gate: 3 }), 'ERR_ARGUMENT', /gate alone$/);
    await refuse(
      ops.linear(x, { weight: numbers(7, 7) }, { alpha: 1e300 }),
      'ERR_ARGUMENT',
      /for alpha of linear but received 1e\+300$/,
    );
    const picture = { data: new Uint8Array(48), shape: [4, 4, 3] };
    const parameters = { weight: numbers(5, 12), table: numbers(3, 5) };
    await refuse(ops.patchEmbed(picture, parameters, { patch: 2 }), 'ERR_SHAPE', /table \[M=4, C=5\]/);
    await refuse(ops.patchEmbed(picture, parameters, {} as never), 'ERR_ARGUMENT', /option patch of patchEmbed/);
    await refuse(
      ops.patchEmbed({ ...picture, shape: [4, 3, 4] }, parameters, { patch: 2 }),
      'ERR_SHAPE',
      /\[height, width, 3\]/,
    );
  });
});
