/** Operations on infinities, NaN and numbers at which formulas overflow or vanish: a backend must fail where the reference fails. */
import type { ActivationName } from '../../lib/binding/native';
import type { CaseOperation } from './case-operands';

/** Values at which formulas overflow, vanish or are undefined, each in a place of its own. */
const extremes = [
  ...[0, -0, 1e-40, -1e-40, 1e-3, -1e-3, 0.3, -0.3, 0.7, -0.7, 5, -5, 9, -9, 20, -20, 80, -80, 88, -88, 90, -90],
  ...[104, -104, 200, -200, 1e4, -1e4, 1e20, -1e20, 3e38, -3e38, Infinity, -Infinity, NaN],
];

/** Every quarter from where powers of e vanish to where they overflow: finite, so that no larger value hides an error. */
const quarters = Array.from({ length: 1041 }, (_, i) => i / 4 - 130);

export function extremeOperations(): { name: string; operation: CaseOperation }[] {
  const made: { name: string; operation: CaseOperation }[] = [];
  const layout = { offset: 0, padding: 0 };
  const add = (name: string, operation: Omit<CaseOperation, 'layout'>) =>
    made.push({ name: `${name}: extreme values`, operation: { layout, ...operation } });

  const n = extremes.length;
  const activations: ActivationName[] = ['none', 'relu', 'gelu_erf', 'gelu_tanh', 'quick_gelu', 'silu', 'tanh'];
  for (const activation of activations) {
    for (const [name, values] of [
      [`linear ${activation}`, extremes],
      [`linear ${activation}, -130 to 130`, quarters],
    ] as const) {
      add(name, {
        op: 'linear',
        views: { x: { shape: [1, values.length, 1], data: Float32Array.from(values) } },
        weights: { weight: { shape: [1, 37, 1], role: 'matrix', data: new Float32Array(37).fill(1) } },
        attributes: { activation, alpha: 1 },
        result: { name: 'y', shape: [1, values.length, 37] },
      });
    }
  }

  const [rows, C] = [n, 40];
  const x = Float32Array.from({ length: rows * C }, (_, i) =>
    i % C === 7 ? extremes[Math.floor(i / C)]! : (i % 11) - 5,
  );
  add('layer_norm', {
    op: 'layer_norm',
    // 1e20 and more: the squares overflow f32, which the reference's f64 does not.
    views: {
      x: {
        shape: [1, rows, C],
        data: x.map((value) => (Math.abs(value) < Infinity ? Math.min(Math.max(value, -1e4), 1e4) : value)),
      },
    },
    weights: {},
    attributes: { eps: 1e-5 },
    result: { name: 'y', shape: [1, rows, C] },
  });

  add('rms_norm', {
    op: 'rms_norm',
    views: { x: { shape: [1, rows, C], data: x.map((value) => (Math.abs(value) < 1e15 ? value : Math.sign(value))) } },
    weights: {},
    attributes: { eps: 1e-6 },
    result: { name: 'y', shape: [1, rows, C] },
  });
  for (const activation of activations) {
    const gates = Float32Array.from({ length: 2 * n }, (_, i) => (i < n ? extremes[i]! : 1));
    add(`gated_activation ${activation}`, {
      op: 'gated_activation',
      views: { x: { shape: [1, 1, 2 * n], data: gates } },
      weights: {},
      attributes: { activation },
      result: { name: 'y', shape: [1, 1, n] },
    });
  }

  // Each value in a group of its own; four times 3e38 overflows f32, which the reference's f64 does not.
  const grouped = x.map((value) => (Number.isFinite(value) ? Math.min(Math.max(value, -1e37), 1e37) : value));
  const opposites = [Infinity, -Infinity, NaN, 1].flatMap((first) => [first, 1, -Infinity, 1]);
  for (const [name, values, width] of [
    ['mean_rows', [...grouped, ...grouped, ...grouped, ...grouped], C],
    ['mean_rows, infinities that meet', opposites, 1],
  ] as const) {
    const count = values.length / width;
    add(name, {
      op: 'mean_rows',
      views: { x: { shape: [1, count, width], data: Float32Array.from(values) } },
      weights: {},
      attributes: {},
      result: { name: 'y', shape: [1, count / 4, width] },
    });
  }

  const D = 16;
  const special = [Infinity, -Infinity, NaN, 1e4, -1e4];
  // Rows without a place are copied, not multiplied by 1 and 0.
  const table = Float32Array.from({ length: D }, (_, i) => (i < D / 2 ? 1 : 0));
  const heads = Float32Array.from({ length: 6 * D }, (_, i) => special[i % 7] ?? i);
  add('rotary_embed', {
    op: 'rotary_embed',
    views: { x: { shape: [1, 3, 2 * D], data: heads } },
    weights: { table: { shape: [1, 1, D], role: 'table', data: table, alwaysF32: true } },
    attributes: {},
    result: { name: 'y', shape: [1, 3, 2 * D] },
  });
  for (const operand of ['q', 'k', 'v', 'question_k', 'question_v']) {
    const tensor = (name: string, count: number) =>
      Float32Array.from({ length: count * D }, (_, i) =>
        name === operand && i % (5 * D + 3) === 0
          ? special[Math.floor(i / (5 * D + 3)) % 5]!
          : ((i * 7) % 13) / 13 - 0.4,
      );
    const view = (name: string, count: number) => ({
      shape: [1, count, D] as [number, number, number],
      data: tensor(name, count),
    });
    add(`concat_attention, ${operand}`, {
      op: 'concat_attention',
      views: {
        q: view('q', 33),
        k: view('k', 37),
        v: view('v', 37),
        question_k: view('question_k', 21),
        question_v: view('question_v', 21),
      },
      weights: {},
      attributes: { heads: 1, scale: D ** -0.5 },
      result: { name: 'out', shape: [1, 33, D] },
    });
  }
  for (const operand of ['q', 'k', 'v']) {
    for (const { queries, causal } of [
      { queries: 33, causal: false },
      { queries: 1, causal: false },
      // What a row does not see must not reach it, however it is computed.
      { queries: 33, causal: true },
      { queries: 3, causal: true },
    ]) {
      const tensor = (name: string, count: number) =>
        Float32Array.from({ length: count * D }, (_, i) =>
          name === operand && i % (5 * D + 3) === 0
            ? special[Math.floor(i / (5 * D + 3)) % 5]!
            : ((i * 7) % 13) / 13 - 0.4,
        );
      const view = (name: string, count: number) => ({
        shape: [1, count, D] as [number, number, number],
        data: tensor(name, count),
      });
      const bias = Float32Array.from({ length: 9 }, (_, i) => i - 4);
      add(`${causal ? 'causal ' : ''}attention of ${queries}, ${operand}`, {
        op: 'attention',
        views: { q: view('q', queries), k: view('k', 37), v: view('v', 37) },
        weights: { bias: { shape: [1, 1, 9], role: 'table', data: bias, alwaysF32: true } },
        attributes: { heads: 1, scale: 1, causal },
        result: { name: 'out', shape: [1, queries, D] },
      });
    }
  }
  return made;
}
