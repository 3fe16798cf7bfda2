import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import {
  compile,
  copy,
  describePlan,
  dim,
  Graph,
  layerNorm,
  linear,
  type Parameter,
  type Tensor,
} from '../../lib/graph';
import { expectThrow } from '../support/expect-error';

const F32 = { dtype: 'f32', stream: 'f32' } as const;
const square: Parameter = { name: 'w', role: 'matrix', shape: [2, 2] };

describe('graph compile', () => {
  const [B, M, C] = [dim('B', 1), dim('M', 3), dim('C', 2)];
  let g: Graph;
  let x: Tensor;

  beforeEach(() => {
    g = Graph.create('test', F32);
    x = g.input('f32', [B, M, C]);
  });

  const add = (to: Tensor, from: Tensor = to): Tensor =>
    linear(g.scope('add'), layerNorm(g.scope('norm'), from, { eps: 1e-5 }), { weight: square }, { residual: to });

  it('describes operations, views, parameters and ends', () => {
    const y = linear(g.scope('a'), x.sliceRows(1, 3).sliceColumns(0, 2), { weight: square }, { activation: 'relu' });
    g.output(y);
    const { description, parameters } = describePlan(g);
    expect(parameters).to.deep.equal([square]);
    expect(description).to.deep.equal({
      name: 'test',
      values: [
        { kind: 'input', dtype: 'f32', shape: [1, 3, 2] },
        { kind: 'output', dtype: 'f32', shape: [1, 2, 2] },
      ],
      ops: [
        {
          op: 'linear',
          name: 'a',
          views: {
            x: { value: 0, offset: 2, shape: [1, 2, 2], batchStride: 6, rowStride: 2 },
            y: { value: 1, offset: 0, shape: [1, 2, 2], batchStride: 4, rowStride: 2 },
          },
          weights: { weight: 0 },
          attributes: { activation: 'relu', alpha: 1 },
        },
      ],
      inputs: [0],
      outputs: [1],
    });
  });

  it('names each parameter once', () => {
    g.output(copy(g, add(add(x))));
    expect(describePlan(g).parameters).to.deep.equal([square]);
  });

  it('lets the residual stream be one value', () => {
    g.output(copy(g, add(add(add(x)))));
    const { values, ops } = describePlan(g).description;
    // The input, the stream, three norms, the output: the second and third sum overwrite the first.
    expect(values).to.have.length(6);
    const sums = ops.filter(({ name }) => name === 'add').map(({ views }) => views.y?.value);
    expect(new Set(sums).size).to.equal(1);
  });

  it('keeps a residual that is read again', () => {
    const first = add(x);
    const second = add(first);
    g.output(copy(g.scope('second'), second));
    g.output(copy(g.scope('first'), first));
    const { ops } = describePlan(g).description;
    const sums = ops.filter(({ name }) => name === 'add').map(({ views }) => views.y?.value);
    expect(new Set(sums).size).to.equal(2);
  });

  it('keeps a residual that the same operation also reads', () => {
    const first = add(x);
    g.output(copy(g, linear(g.scope('add'), first, { weight: square }, { residual: first })));
    const { ops } = describePlan(g).description;
    const sums = ops.filter(({ name }) => name === 'add').map(({ views }) => views.y?.value);
    expect(new Set(sums).size).to.equal(2);
  });

  it('keeps a residual in another dtype, and one that is part of a value', () => {
    const half = Graph.create('test', { dtype: 'f32', stream: 'bf16' });
    const narrow = copy(half, half.input('f32', [B, M, C]), { dtype: 'bf16' });
    const rows = copy(half, half.input('f32', [B, dim('2M', 6), C]));
    const sums = [
      linear(half, copy(half, narrow, { dtype: 'f32' }), { weight: square }, { residual: narrow, dtype: 'f32' }),
      linear(half, copy(half, rows.sliceRows(0, 3)), { weight: square }, { residual: rows.sliceRows(3, 6) }),
    ];
    for (const sum of sums) half.output(copy(half, sum));
    const { values, ops } = describePlan(half).description;
    for (const { views } of ops.filter(({ op }) => op === 'linear')) {
      const [residual, y] = [views.residual!, views.y!];
      expect(y.value).to.not.equal(residual.value);
      expect(values[y.value]).to.deep.include({ dtype: 'f32', shape: [1, 3, 2] });
    }
  });

  describe('on the reference device', () => {
    let device: Device;
    before(() => {
      device = new (loadAddon().Device)({ kind: 'reference' });
    });
    after(() => device.close());

    it('computes what was recorded', async () => {
      const [weight] = await device.upload([
        { source: Float32Array.of(1, 2, 3, 4), dtype: 'f32', shape: [1, 2, 2], role: 'matrix', computeDtype: 'f32' },
      ]);
      const y = linear(g.scope('a'), x, { weight: square }, { residual: x });
      g.output(copy(g.scope('b'), linear(g.scope('c'), y, { weight: square }, { residual: y }).sliceRows(1, 3)));
      const plan = compile(g, device, () => weight!);
      const [result] = await device.run(plan, [Float32Array.of(9, 9, 1, 0, 0, 1)]);
      // (I + W) twice, W = [[1, 2], [3, 4]]; columns of ((I + W)^2) are [10, 21] and [14, 31].
      expect([...(result as Float32Array)]).to.deep.equal([10, 21, 14, 31]);
    });

    it('passes native validation on', () => {
      g.output(copy(g, linear(g.scope('a'), x, { weight: square })));
      expectThrow(() => compile(g, device, () => ({}) as never), 'ERR_ARGUMENT');
    });
  });
});
