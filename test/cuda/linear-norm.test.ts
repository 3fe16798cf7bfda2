/** A product and the layer norm behind it: one kernel where sums are split, with the bits of two. */
import { expect } from 'chai';
import type { Device, DType, HostArray, Weight, WeightUpload } from '../../lib/binding/native';
import { toBf16 } from '../support/bf16';
import { openCuda } from '../support/cuda';
import { withVariable } from '../support/environment';
import { PlanWriter } from '../support/plan-writer';
import { floats, random } from '../support/random';

interface Case {
  name: string;
  batch: number;
  rows: number;
  depth: number;
  width: number;
  stream: DType;
  bias?: boolean;
  /** Also in the place of y. */
  residual?: 'apart' | 'in place';
  affine?: boolean;
  gated?: boolean;
  /** Between the rows of the norm's result. */
  gap?: number;
}

const CASES: Case[] = [
  {
    name: 'an out-projection',
    batch: 1,
    rows: 77,
    depth: 1024,
    width: 256,
    stream: 'f32',
    bias: true,
    affine: true,
    residual: 'in place',
  },
  {
    name: 'a folded gated projection',
    batch: 2,
    rows: 13,
    depth: 768,
    width: 768,
    stream: 'f32',
    bias: true,
    affine: true,
    residual: 'apart',
    gated: true,
  },
  {
    name: 'a stream in bf16',
    batch: 3,
    rows: 7,
    depth: 2048,
    width: 512,
    stream: 'bf16',
    bias: true,
    affine: true,
    residual: 'in place',
  },
  {
    name: 'the widest row',
    batch: 1,
    rows: 5,
    depth: 1024,
    width: 1536,
    stream: 'f32',
    bias: true,
    affine: true,
    residual: 'apart',
  },
  {
    name: 'a row too wide to be one kernel',
    batch: 1,
    rows: 5,
    depth: 1024,
    width: 1792,
    stream: 'f32',
    residual: 'apart',
  },
  {
    name: 'a width that is no multiple of 8',
    batch: 1,
    rows: 5,
    depth: 1024,
    width: 100,
    stream: 'f32',
    residual: 'apart',
  },
  { name: 'nothing but sums', batch: 1, rows: 9, depth: 1024, width: 264, stream: 'f32' },
  {
    name: 'results apart from each other',
    batch: 2,
    rows: 9,
    depth: 1024,
    width: 64,
    stream: 'f32',
    bias: true,
    gap: 8,
  },
];

describe('CUDA: a product and its layer norm', () => {
  for (const splits of [1, 2, 5]) {
    for (const c of CASES) {
      it(`${c.name}, sums in ${splits} parts`, () =>
        withVariable('QAVIT_CUDA_TILE', `3:${splits}`, async () => {
          const device = openCuda({ graphs: false });
          const next = random(11);
          const { batch, rows, depth, width, stream } = c;
          const weights = await uploadAll(device, c, next);
          const x = toBf16(floats(next, batch * rows * depth));
          const numbers = floats(next, batch * rows * width);
          const residual = stream === 'bf16' ? toBf16(numbers) : numbers;
          const inputs = [x, ...(c.residual ? [residual] : [])];
          const together = await device.run(device.compile(describePlan(c, true), weights), inputs);
          const [y] = (await device.run(device.compile(describePlan(c, false), weights), inputs)) as HostArray[];
          expect(together[0], 'the product').to.deep.equal(y);

          const norm = new PlanWriter('norm');
          const shape: [number, number, number] = [batch, rows, width];
          normalize(norm, c, norm.input(shape, stream), norm.output([batch, rows, width + (c.gap ?? 0)], 'bf16'));
          const [wanted] = await device.run(device.compile(norm.describe(), weights), [y!]);
          expect(together[1], 'the norm').to.deep.equal(wanted);
          await device.close();
        }));
    }
  }
});

async function uploadAll(device: Device, { depth, width }: Case, next: () => number): Promise<Weight[]> {
  const vector = (source: Float32Array): WeightUpload => ({
    source,
    dtype: 'f32',
    shape: [1, 1, width],
    role: 'vector',
    computeDtype: 'f32',
  });
  const [matrix, ...vectors] = [floats(next, width * depth), ...[0, 1, 2].map(() => floats(next, width))];
  return device.upload([
    { source: matrix, dtype: 'f32', shape: [1, width, depth], role: 'matrix', computeDtype: 'bf16' },
    ...vectors.map(vector),
  ]);
}

/** y and, if said, its norm as a second output. */
function describePlan(c: Case, normed: boolean) {
  const plan = new PlanWriter('product');
  const shape: [number, number, number] = [c.batch, c.rows, c.width];
  const x = plan.input([c.batch, c.rows, c.depth], 'bf16');
  const residual = c.residual ? plan.input(shape, c.stream) : undefined;
  const y = plan.output(shape, c.stream);
  if (residual !== undefined && c.residual === 'in place') plan.op('copy', { x: residual, y });
  const from = c.residual === 'in place' ? y : residual;
  const views = { x, y, ...(from !== undefined && { residual: from }) };
  plan.op(c.gated ? 'gated_projection' : 'linear', views, { weight: 0, ...(c.bias && { bias: 1 }) });
  if (normed) normalize(plan, c, y, plan.output([c.batch, c.rows, c.width + (c.gap ?? 0)], 'bf16'));
  return plan.describe();
}

function normalize(plan: PlanWriter, c: Case, x: number, y: number): void {
  plan.op('layer_norm', { x, y: plan.columns(y, 0, c.width) }, c.affine ? { gamma: 2, beta: 3 } : {}, { eps: 1e-5 });
  // What lies beside the columns must be written too.
  if (c.gap) plan.op('copy', { x: plan.columns(x, 0, c.gap), y: plan.columns(y, c.width, c.gap) });
}
