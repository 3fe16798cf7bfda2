import { expect } from 'chai';
import type { Device, Plan, PlanDescription, Weight, WeightUpload } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { any, hostile, notIntegers, openTarget, strangers } from '../support/hostile';

describe('native: hostile parameters and plans', () => {
  let device: Device;
  let item: WeightUpload;
  let weight: Weight;
  let description: PlanDescription;
  let plan: Plan;
  const x = new Float32Array(6);
  before(async () => {
    ({ device, item, weight, description, plan } = await openTarget());
  });
  after(() => device.close());

  describe('upload', () => {
    const refuse = (change: Record<string, unknown>, code: 'ERR_ARGUMENT' | 'ERR_SHAPE' | 'ERR_DTYPE'): Promise<void> =>
      expectRejection(device.upload([any({ ...item, ...change })]), code);

    it('refuses lists and items that are none', async () => {
      for (const stranger of strangers.filter((value) => !Array.isArray(value) || value.length > 0)) {
        await expectRejection(device.upload(any(stranger)), 'ERR_ARGUMENT');
        await expectRejection(device.upload([any(stranger)]), 'ERR_ARGUMENT');
      }
      await expectRejection(device.upload(any({ length: 2 ** 32 - 1 })), 'ERR_ARGUMENT');
      await expectRejection(device.upload(new Array(2 ** 32 - 1)), 'ERR_ARGUMENT');
      await expectRejection(device.upload([hostile()]), 'ERR_ARGUMENT', /received an exception: no$/);
    });
    it('refuses what the fields cannot be', async () => {
      for (const dtype of ['u8', 'i32', 'f64', 1, undefined])
        await expectRejection(
          device.upload([any({ ...item, dtype })]),
          dtype === 'u8' || dtype === 'i32' ? 'ERR_DTYPE' : 'ERR_ARGUMENT',
        );
      for (const role of ['tensor', 0, undefined]) await refuse({ role }, 'ERR_ARGUMENT');
      for (const computeDtype of ['u8', 'i32']) await refuse({ computeDtype }, 'ERR_DTYPE');
      await refuse({ computeDtype: 'f64' }, 'ERR_ARGUMENT');
      for (const dimension of [...notIntegers, 0]) await refuse({ shape: [1, dimension, 3] }, 'ERR_SHAPE');
      for (const shape of [[1, 6], [1, 2, 3, 1], []])
        await refuse({ shape }, shape.length > 3 ? 'ERR_ARGUMENT' : 'ERR_SHAPE');
      await refuse({ shape: [2 ** 30, 2 ** 30, 2 ** 30] }, 'ERR_SHAPE');
      await refuse({ shape: [1, 2, 2] }, 'ERR_SHAPE');
      await refuse({ role: 'vector' }, 'ERR_SHAPE');
      await refuse({ role: 'table', shape: [2, 1, 3] }, 'ERR_SHAPE');
      await refuse({ offset: 0 }, 'ERR_ARGUMENT');
      await refuse({ ofset: 0 }, 'ERR_ARGUMENT');
      await expectRejection(device.upload([item], any({})), 'ERR_ARGUMENT', /^Expected an AbortFlag/);
    });
    it('refuses arrays of another kind, shared memory and detached memory', async () => {
      for (const source of [
        new Float64Array(6),
        new Int32Array(6),
        new Uint16Array(6),
        new Uint8ClampedArray(6),
        new BigInt64Array(6),
      ]) {
        await refuse({ source }, 'ERR_DTYPE');
      }
      for (const source of [x.buffer, [0, 0, 0, 0, 0, 0], new DataView(x.buffer), 'file', null])
        await refuse({ source }, 'ERR_ARGUMENT');
      await expectRejection(
        device.upload([{ ...item, source: new Float32Array(new SharedArrayBuffer(24)) }]),
        'ERR_ARGUMENT',
        /received one over a SharedArrayBuffer$/,
      );
      const detached = new Float32Array(6);
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      await refuse({ source: detached }, 'ERR_ARGUMENT');
    });
    it('reads an array before a later getter can detach it', async () => {
      const victim = Float32Array.of(1, 2, 3, 4, 5, 6);
      const items = [
        { ...item, source: victim },
        {
          ...item,
          get dtype() {
            if (victim.length > 0) structuredClone(victim.buffer, { transfer: [victim.buffer] });
            return 'f32' as const;
          },
        },
      ];
      const [first] = await device.upload(items);
      const [y] = await device.run(device.compile(description, [first!]), [Float32Array.of(1, 0, 0, 0, 1, 0)]);
      expect(Array.from(y as Float32Array)).to.deep.equal([1, 4, 2, 5]);
    });
    it('takes an empty list', async () => {
      expect(await device.upload([])).to.deep.equal([]);
    });
  });

  describe('compile', () => {
    const refuse = (change: Record<string, unknown>): void =>
      expectThrow(() => device.compile(any({ ...description, ...change }), [weight]), 'ERR_ARGUMENT');
    const op = (change: Record<string, unknown>): Record<string, unknown> => ({
      ops: [{ ...description.ops[0], ...change }],
    });
    const view = (change: Record<string, unknown>): Record<string, unknown> =>
      op({ views: { ...description.ops[0]!.views, x: { ...description.ops[0]!.views.x, ...change } } });

    it('refuses descriptions, weights and lists that are none', () => {
      for (const stranger of strangers) {
        expectThrow(() => device.compile(any(stranger), [weight]), 'ERR_ARGUMENT');
        expectThrow(
          () => device.compile(description, [any(stranger)]),
          'ERR_ARGUMENT',
          /^Expected a Weight for weights\[0\]/,
        );
        for (const field of ['values', 'ops', 'inputs', 'outputs']) refuse({ [field]: stranger });
      }
      for (const name of [undefined, 1, {}]) refuse({ name });
      refuse({ value: [] });
      expectThrow(
        () => device.compile(description, []),
        'ERR_ARGUMENT',
        /^Expected an integer 0 to -1 for weight of linear op0/,
      );
      expectThrow(() => device.compile(description, [any(plan)]), 'ERR_ARGUMENT', /^Expected a Weight/);
      expectThrow(() => device.compile(hostile(), [weight]), 'ERR_ARGUMENT', /received an exception: no$/);
    });
    it('refuses values that cannot be', () => {
      const value = (change: Record<string, unknown>): PlanDescription =>
        any({ ...description, values: [{ ...description.values[0], ...change }, description.values[1]] });
      for (const kind of ['in', 1, undefined])
        expectThrow(() => device.compile(value({ kind }), [weight]), 'ERR_ARGUMENT');
      for (const dtype of ['f64', undefined])
        expectThrow(() => device.compile(value({ dtype }), [weight]), 'ERR_ARGUMENT');
      for (const dimension of [...notIntegers, 0]) {
        expectThrow(() => device.compile(value({ shape: [1, dimension, 3] }), [weight]), 'ERR_SHAPE');
      }
      expectThrow(() => device.compile(value({ shape: [2 ** 50, 2 ** 50, 3] }), [weight]), 'ERR_SHAPE');
    });
    it('refuses operations, operands and attributes it does not know', () => {
      for (const name of ['matmul', 'toString', '__proto__', 1, undefined]) refuse(op({ op: name }));
      for (const name of ['views', 'weights', 'attributes', 'name']) refuse(op({ [name]: undefined }));
      refuse(op({ views: { ...description.ops[0]!.views, z: description.ops[0]!.views.x } }));
      refuse(op({ weights: { weight: 0, weigth: 0 } }));
      for (const index of [...notIntegers.filter((value) => value !== null), 1])
        refuse(op({ weights: { weight: index } }));
      refuse(op({ attributes: { alfa: 1 } }));
      refuse(op({ extra: 1 }));
      for (const alpha of [NaN, Infinity, 1e300, '1', {}]) refuse(op({ attributes: { alpha } }));
      for (const activation of ['gelu', 1, {}]) refuse(op({ attributes: { activation } }));
      refuse(op({ views: hostile() }));
    });
    it('refuses views that cannot be', () => {
      for (const number of notIntegers) {
        for (const field of ['value', 'offset', 'batchStride', 'rowStride']) refuse(view({ [field]: number }));
        expectThrow(
          () => device.compile(any({ ...description, ...view({ shape: [1, 2, number] }) }), [weight]),
          'ERR_SHAPE',
        );
      }
      refuse(view({ value: 2 }));
      refuse(view({ ofset: 0 }));
      refuse(op({ views: { x: 1, y: description.ops[0]!.views.y } }));
    });
    it('counts to its limits', () => {
      const values = Array.from({ length: 2 ** 14 + 1 }, () => ({
        kind: 'intermediate',
        dtype: 'f32',
        shape: [1, 1, 1],
      }));
      refuse({ values, ops: [], inputs: [], outputs: [] });
      refuse({ values: { length: 2 ** 32 - 1 } });
      refuse({ ops: new Array(2 ** 32 - 1) });
    });
  });
});
