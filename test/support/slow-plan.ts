import type { Device, Plan } from '../../lib/binding/native';
import { PlanWriter } from './plan-writer';

/** Elements of a slow plan's input and output. */
export const slowElements = 64 * 256;

/** A plan of many short operations: seconds in all on the reference backend, some ten milliseconds each. */
export async function slowPlan(device: Device, operations = 200): Promise<Plan> {
  const width = 256;
  const [weight] = await device.upload([
    {
      source: new Float32Array(width * width),
      dtype: 'f32',
      shape: [1, width, width],
      role: 'matrix',
      computeDtype: 'f32',
    },
  ]);
  const plan = new PlanWriter('slow');
  let x = plan.input([1, 64, width]);
  for (let i = 0; i < operations; i += 1) {
    const y = i === operations - 1 ? plan.output([1, 64, width]) : plan.intermediate([1, 64, width]);
    plan.op('linear', { x, y }, { weight: 0 });
    x = y;
  }
  return device.compile(plan.describe(), [weight!]);
}
