import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, ViewDescription, Weight } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { B, C, M, operations, type Operation, type Parameter } from '../support/operation-rules';
import { PlanWriter, type Shape } from '../support/plan-writer';

const outputs = ['y', 'out'];

describe('native: rules of each operation', () => {
  let device: Device;
  before(() => {
    device = new (loadAddon().Device)({ kind: 'reference' });
  });
  after(() => device.close());

  async function upload(weights: Record<string, Parameter | undefined>): Promise<Record<string, Weight>> {
    const given = Object.entries(weights).filter((entry): entry is [string, Parameter] => entry[1] !== undefined);
    const handles = await device.upload(
      given.map(([, { shape, role = 'matrix', dtype = 'f32' }]) => ({
        source: new Float32Array(shape[0] * shape[1] * shape[2]),
        dtype: 'f32',
        shape,
        role,
        computeDtype: dtype,
      })),
    );
    return Object.fromEntries(given.map(([name], i) => [name, handles[i]!]));
  }

  /** Compiles the one operation, every operand over a dense value of its own. */
  async function compile({ op, views, weights = {}, attributes = {} }: Operation): Promise<void> {
    const plan = new PlanWriter('one');
    const described: Record<string, ViewDescription> = {};
    for (const [name, operand] of Object.entries(views)) {
      if (!operand) continue;
      const { shape, dtype = 'f32' } = operand;
      // A value with room for the small broadcasts above; strides decide what is read of it.
      const dense: Shape = operand.batchStride === undefined ? shape : [B, M, C];
      const value = outputs.includes(name) ? plan.output(dense, dtype) : plan.input(dense, dtype);
      const { batchStride = shape[1] * shape[2], rowStride = shape[2] } = operand;
      described[name] = { value, offset: 0, shape, batchStride, rowStride };
    }
    const handles = await upload(weights);
    const names = Object.keys(handles);
    plan.op(op, described, Object.fromEntries(names.map((name, i) => [name, i])), attributes);
    device.compile(plan.describe(), Object.values(handles));
  }

  for (const { good, rules } of operations) {
    describe(good.op, () => {
      it('takes what holds', async () => {
        await compile(good);
      });

      for (const [broken, change, code, message] of rules) {
        it(`refuses ${broken}`, async () => {
          const changed: Operation = {
            op: good.op,
            views: { ...good.views, ...change.views },
            weights: { ...good.weights, ...change.weights },
            attributes: change.attributes ?? good.attributes,
          };
          const start = message.replace(/[[\]>()]/g, '\\$&');
          await expectRejection(compile(changed), code, new RegExp(`^${start}.* for ${good.op} op0 but received `));
        });
      }
    });
  }

  it('names the layer and both shapes, as a user needs them', async () => {
    const plan = new PlanWriter('tower');
    const x = plan.input([1, 5, 768]);
    plan.op('linear', { x, y: plan.output([1, 5, 3072]) }, { weight: 0 });
    const description = plan.describe();
    const named = { ...description, ops: [{ ...description.ops[0]!, name: 'layers.3.mlp.fc1' }] };
    const [weight] = await device.upload([
      {
        source: new Float32Array(3072 * 767),
        dtype: 'f32',
        shape: [1, 3072, 767],
        role: 'matrix',
        computeDtype: 'f32',
      },
    ]);
    expectThrow(
      () => device.compile(named, [weight!]),
      'ERR_SHAPE',
      'Expected weight [1, 3072, 768] for linear layers.3.mlp.fc1 but received [1, 3072, 767]',
    );
    expect(weight!.shape).to.deep.equal([1, 3072, 767]);
  });
});
