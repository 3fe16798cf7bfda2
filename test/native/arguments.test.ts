import { expect } from 'chai';
import { loadAddon } from '../../lib/binding/load';
import type { Device, DeviceOptions, DeviceTensor, HostArray, Plan, Weight } from '../../lib/binding/native';
import { expectRejection, expectThrow } from '../support/expect-error';
import { any, hostile, notIntegers, openTarget, strangers } from '../support/hostile';

const addon = loadAddon();

describe('native: hostile arguments', () => {
  let device: Device;
  let weight: Weight;
  let plan: Plan;
  const x = new Float32Array(6);
  before(async () => {
    ({ device, weight, plan } = await openTarget());
  });
  after(() => device.close());

  describe('new Device', () => {
    it('refuses options that are none', () => {
      for (const stranger of strangers) expectThrow(() => new addon.Device(any(stranger)), 'ERR_ARGUMENT');
    });
    it('refuses unknown kinds, counts and code paths', () => {
      const refuse = (options: unknown): void => expectThrow(() => new addon.Device(any(options)), 'ERR_ARGUMENT');
      for (const kind of ['gpu', 'CPU', '', 0, null, undefined, {}]) refuse({ kind });
      for (const threads of [...notIntegers.filter((value) => value !== null), 0, 257])
        refuse({ kind: 'reference', threads });
      for (const isa of ['sse', 1, {}]) refuse({ kind: 'cpu', isa });
      refuse({ kind: 'reference', thread: 1 });
    });
    it('refuses a call without new and a device kind that is not built in', () => {
      expect(() => (addon.Device as unknown as (options: DeviceOptions) => void)({ kind: 'reference' })).to.throw();
      const stranger = { kind: 'cuda', ordinal: 999 } as const;
      expectThrow(
        () => new addon.Device(stranger),
        'ERR_UNSUPPORTED',
        /^Expected .* for device cuda:999 but received /,
      );
    });
    it('turns an exception of the caller into ERR_ARGUMENT', () => {
      expectThrow(
        () => new addon.Device(hostile()),
        'ERR_ARGUMENT',
        'Expected readable arguments for Device but received an exception: no',
      );
    });
  });

  describe('methods on other objects', () => {
    it('refuse them', () => {
      const others = [
        {},
        Object.create(addon.Device.prototype as object) as object,
        new addon.AbortFlag(),
        new Proxy(device, {}),
        plan,
        undefined,
      ];
      for (const name of ['run', 'compile', 'upload', 'read', 'write', 'close'] as const) {
        const method = Reflect.get(device, name) as (...args: unknown[]) => unknown;
        for (const other of others) expect(() => method.call(other), name).to.throw();
      }
      for (const name of ['memory', 'statistics']) {
        const accessor = Object.getOwnPropertyDescriptor(addon.Device.prototype, name) as {
          get: (this: unknown) => unknown;
        };
        for (const other of others)
          expectThrow(() => accessor.get.call(other), 'ERR_ARGUMENT', /^Expected a Device for this of/);
      }
      const abort: unknown = Reflect.get(new addon.AbortFlag(), 'abort');
      for (const other of [{}, device, plan, undefined])
        expect(() => Reflect.apply(abort as () => void, other, [])).to.throw();
    });
    it('refuse them for dispose()', async () => {
      const [tensor] = await device.run(plan, [x], { results: ['tensor'] });
      const owners = { DeviceTensor: tensor, Weight: weight, Plan: plan };
      for (const [name, owner] of Object.entries(owners)) {
        const { dispose } = owner as unknown as { dispose: () => void };
        const article = new RegExp(`^Expected a ${name} for this of ${name}.dispose`);
        for (const other of [{}, device, undefined, ...Object.values(owners).filter((each) => each !== owner)]) {
          expectThrow(() => dispose.call(other), 'ERR_ARGUMENT', article);
        }
      }
      (tensor as DeviceTensor).dispose();
    });
  });

  describe('run and read', () => {
    it('refuse plans, inputs and options that are none', async () => {
      for (const stranger of [...strangers, weight]) {
        await expectRejection(device.run(any(stranger), [x]), 'ERR_ARGUMENT', /^Expected a Plan/);
        await expectRejection(device.run(plan, any(stranger)), 'ERR_ARGUMENT');
        await expectRejection(device.read(any(stranger)), 'ERR_ARGUMENT', /^Expected a DeviceTensor/);
        if (
          stranger !== undefined &&
          stranger !== null &&
          !(typeof stranger === 'object' && Object.keys(stranger).length === 0)
        ) {
          await expectRejection(device.run(plan, [x], any(stranger)), 'ERR_ARGUMENT');
        }
      }
      for (const inputs of [[], [x, x], [null], [weight], [plan]])
        await expectRejection(device.run(plan, any(inputs)), 'ERR_ARGUMENT');
      for (const results of [[], ['array', 'array'], [true], ['arrays'], 'array', {}])
        await expectRejection(device.run(plan, [x], any({ results })), 'ERR_ARGUMENT');
      for (const abort of [{}, plan, true])
        await expectRejection(device.run(plan, [x], any({ abort })), 'ERR_ARGUMENT');
      await expectRejection(device.run(plan, [x], any({ kept: [true] })), 'ERR_ARGUMENT');
      await expectRejection(device.run(plan, [x], hostile()), 'ERR_ARGUMENT', /received an exception: no$/);
    });
    it('refuse inputs of another kind or size, shared and detached memory', async () => {
      const wrong: [HostArray | Float64Array, 'ERR_DTYPE' | 'ERR_SHAPE' | 'ERR_ARGUMENT'][] = [
        [new Float64Array(6), 'ERR_DTYPE'],
        [new Uint16Array(6), 'ERR_DTYPE'],
        [new Uint8Array(24), 'ERR_DTYPE'],
        [new Float32Array(5), 'ERR_SHAPE'],
        [new Float32Array(7), 'ERR_SHAPE'],
        [new Float32Array(0), 'ERR_SHAPE'],
        [new Float32Array(new SharedArrayBuffer(24)), 'ERR_ARGUMENT'],
      ];
      for (const [input, code] of wrong) await expectRejection(device.run(plan, [input as HostArray]), code);
      const detached = new Float32Array(6);
      structuredClone(detached.buffer, { transfer: [detached.buffer] });
      await expectRejection(device.run(plan, [detached]), 'ERR_ARGUMENT', /whose ArrayBuffer is detached$/);
    });
    it('take a window into a larger buffer at any byte', async () => {
      const buffer = Float32Array.of(9, 1, 2, 3, 4, 5, 6, 9);
      const [y] = await device.run(plan, [buffer.subarray(1, 7)]);
      expect((y as Float32Array).length).to.equal(4);
    });
    it('refuse a tensor of another shape or dtype', async () => {
      const [tensor] = await device.run(plan, [x], { results: ['tensor'] });
      await expectRejection(
        device.run(plan, [tensor as DeviceTensor]),
        'ERR_SHAPE',
        'Expected [1, 2, 3] for input 0 of plan p but received [1, 2, 2]',
      );
    });
  });

  describe('write', () => {
    it('refuses arrays, dtypes and shapes that do not belong together', async () => {
      const shape = [1, 2, 3] as [number, number, number];
      const write = (array: unknown, options: unknown) => device.write(any(array), any(options));
      for (const stranger of strangers) {
        await expectRejection(write(x, stranger), 'ERR_ARGUMENT');
      }
      for (const array of [undefined, [1, 2, 3, 4, 5, 6]])
        await expectRejection(write(array, { dtype: 'f32', shape }), 'ERR_ARGUMENT');
      await expectRejection(write(new Float64Array(6), { dtype: 'f32', shape }), 'ERR_DTYPE');
      await expectRejection(write(x, { dtype: 'f64', shape }), 'ERR_ARGUMENT');
      await expectRejection(write(x, { dtype: 'i32', shape }), 'ERR_DTYPE');
      await expectRejection(write(x, { dtype: 'f32', shape: [1, 2, 2] }), 'ERR_SHAPE');
      for (const wrong of [[6], [1, 2, 0], [1, 2, 1.5], [2 ** 50, 2 ** 50, 1]])
        await expectRejection(write(x, { dtype: 'f32', shape: wrong }), 'ERR_SHAPE');
      await expectRejection(write(x, { dtype: 'f32', shape, keep: true }), 'ERR_ARGUMENT');
      await expectRejection(write(x, hostile()), 'ERR_ARGUMENT', /received an exception: no$/);
    });
  });

  describe('resample and setErrorClass', () => {
    it('refuse what they cannot use', async () => {
      for (const stranger of strangers) await expectRejection(addon.resample(any(stranger)), 'ERR_ARGUMENT');
      expectThrow(
        () => addon.setErrorClass(any({})),
        'ERR_ARGUMENT',
        'Expected a class for setErrorClass but received an object',
      );
    });
  });
});
