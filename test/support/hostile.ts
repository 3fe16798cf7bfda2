/** What no caller should pass, and a device to pass it to. */
import { loadAddon } from '../../lib/binding/load';
import type { Device, Plan, PlanDescription, Weight, WeightUpload } from '../../lib/binding/native';
import { PlanWriter } from './plan-writer';

const addon = loadAddon();

/** Things that are no number, string, object, array or handle of ours where one is asked for. */
export const strangers: unknown[] = [
  undefined,
  null,
  true,
  1.5,
  NaN,
  '',
  'x'.repeat(1000),
  Symbol('s'),
  10n,
  () => 1,
  {},
  [],
  [{}],
  new Map(),
  new Date(),
  new Proxy({}, {}),
  new Float64Array(3),
  new ArrayBuffer(8),
  new addon.AbortFlag(),
  Object.create(null),
];
export const notIntegers: unknown[] = [
  NaN,
  Infinity,
  -Infinity,
  -1,
  0.5,
  2 ** 53,
  '1',
  1n,
  null,
  true,
  [1],
  {},
  Symbol('s'),
];

/** An object whose every property throws. */
export const hostile = (): never =>
  new Proxy(
    {},
    {
      get() {
        throw new RangeError('no');
      },
      ownKeys() {
        throw new RangeError('no');
      },
    },
  ) as never;

/** Passes what the types forbid. */
export const any = (value: unknown): never => value as never;

/** A device with one weight and one plan, y = x W^T. */
export interface Target {
  device: Device;
  item: WeightUpload;
  weight: Weight;
  description: PlanDescription;
  plan: Plan;
}

export async function openTarget(): Promise<Target> {
  const device = new addon.Device({ kind: 'reference' });
  const shape: [number, number, number] = [1, 2, 3];
  const item: WeightUpload = { source: new Float32Array(6), dtype: 'f32', shape, role: 'matrix', computeDtype: 'f32' };
  const [weight] = (await device.upload([item])) as [Weight];
  const writer = new PlanWriter('p');
  const input = writer.input([1, 2, 3]);
  const description = writer.op('linear', { x: input, y: writer.output([1, 2, 2]) }, { weight: 0 }).describe();
  return { device, item, weight, description, plan: device.compile(description, [weight]) };
}
