/**
 * Runs one operation of the case table on a device. Activations lie in memory as the case says, misaligned and strided, with NaN in
 * every gap; the result is written into a block of NaN, so that an element left out, or written outside the view, is seen.
 */
import { expect } from 'chai';
import type { Device, HostArray, MatrixDType, ViewDescription, Weight } from '../../lib/binding/native';
import type { CaseOp, CaseTable, Layout } from '../cases';
import { fromBf16, toBf16 } from './bf16';
import { fromF16, toF16 } from './f16';
import { operationOf, type CaseOperation, type CaseView, type CaseWeight } from './case-operands';
import { PlanWriter, type Shape } from './plan-writer';

export type FloatDType = 'f32' | 'bf16' | 'f16';

export interface RunOptions {
  /** Of activations and of the weights they meet. Default f32. */
  input?: FloatDType;
  /** What matrices are kept in. Default: `input`. */
  weights?: 'int8';
  /** Default: `input`. */
  output?: FloatDType;
  /** Default: `output`. */
  residual?: FloatDType;
  /** The result takes the residual's place; both are in `output`. */
  inPlace?: boolean;
}

/** Elements of a strided block, its leading gap included. */
const span = ([batch, rows, cols]: Shape, { offset, padding }: Layout): number =>
  offset + batch * rows * (cols + padding);

/** Where row [b, r] of a view begins, in its block and in dense values. Rows are copied whole: cases are large. */
function forEachRow([batch, rows, cols]: Shape, { offset, padding }: Layout, f: (at: number, i: number) => void): void {
  for (let row = 0; row < batch * rows; row += 1) f(offset + row * (cols + padding), row * cols);
}

/** A view of its own block of memory. */
function strided(value: number, shape: Shape, { offset, padding }: Layout, shared = false): ViewDescription {
  const rowStride = shape[2] + padding;
  return { value, offset, shape, rowStride, batchStride: shared ? 0 : shape[1] * rowStride };
}

/** Dense values spread over a strided block, NaN (255, -1) between them. */
function spread(view: CaseView, layout: Layout): CaseView['data'] {
  const shape: Shape = view.shared ? [1, view.shape[1], view.shape[2]] : view.shape;
  const gap = view.data instanceof Float32Array ? NaN : view.data instanceof Uint8Array ? 255 : -1;
  const block = new (view.data.constructor as typeof Float32Array)(span(shape, layout)).fill(gap);
  forEachRow(shape, layout, (at, i) => block.set(view.data.subarray(i, i + shape[2]), at));
  return block;
}

function encode(values: Float32Array, dtype: FloatDType): HostArray {
  if (dtype === 'f32') return values;
  return dtype === 'bf16' ? toBf16(values) : toF16(values);
}
function decode(values: HostArray, dtype: FloatDType): Float32Array {
  if (!(values instanceof Uint16Array)) return values as Float32Array;
  return dtype === 'bf16' ? fromBf16(values) : fromF16(values);
}

function upload(
  device: Device,
  { weights }: CaseOperation,
  dtype: FloatDType,
  matrices: MatrixDType,
): Promise<Weight[]> {
  const computeDtype = ({ role, alwaysF32 }: CaseWeight): MatrixDType => {
    if (alwaysF32) return 'f32';
    return role === 'matrix' ? matrices : dtype;
  };
  return device.upload(
    Object.values(weights).map((weight) => ({
      source: weight.data,
      dtype: 'f32',
      shape: weight.shape,
      role: weight.role,
      computeDtype: computeDtype(weight),
    })),
  );
}

/** Makes a plan of one operation; every call of the result runs it and gives the dense result, in f32. */
export async function prepareOperation(
  device: Device,
  operation: CaseOperation,
  options: RunOptions = {},
): Promise<() => Promise<Float32Array>> {
  const { input = 'f32', output = input, residual = output, inPlace = false } = options;
  const { layout, result } = operation;
  const plan = new PlanWriter(operation.op);
  const inputs: HostArray[] = [];

  const place = (data: CaseView['data'], dtype: FloatDType): number => {
    const isFloat = data instanceof Float32Array;
    inputs.push(isFloat ? encode(data, dtype) : data);
    return plan.input([1, 1, data.length], isFloat ? dtype : data instanceof Uint8Array ? 'u8' : 'i32');
  };
  const total = span(result.shape, layout);
  const space = plan.intermediate([1, 1, total], output);
  const before = inPlace ? spread(operation.views.residual!, layout) : new Float32Array(total).fill(NaN);
  plan.op('copy', { x: place(before, output), y: space });

  const views: Record<string, ViewDescription> = { [result.name]: strided(space, result.shape, layout) };
  for (const [name, view] of Object.entries(operation.views)) {
    const isResidual = name === 'residual';
    views[name] =
      isResidual && inPlace
        ? views[result.name]!
        : strided(place(spread(view, layout), isResidual ? residual : input), view.shape, layout, view.shared);
  }
  const names = Object.keys(operation.weights);
  plan.op(operation.op, views, Object.fromEntries(names.map((name, i) => [name, i])), operation.attributes);
  plan.op('copy', { x: space, y: plan.output([1, 1, total], output) });

  const compiled = device.compile(plan.describe(), await upload(device, operation, input, options.weights ?? input));
  return async () => {
    const [block] = (await device.run(compiled, inputs)) as HostArray[];
    return gather(decode(block!, output), result.shape, layout);
  };
}

/** Runs a whole operation once. */
export async function runOperation(
  device: Device,
  operation: CaseOperation,
  options: RunOptions = {},
): Promise<Float32Array> {
  return (await prepareOperation(device, operation, options))();
}

/** The dense values of a strided block, whose gaps must still be NaN. */
function gather(block: Float32Array, shape: Shape, layout: Layout): Float32Array {
  const dense = new Float32Array(shape[0] * shape[1] * shape[2]);
  const gaps = block.slice();
  forEachRow(shape, layout, (at, i) => {
    dense.set(block.subarray(at, at + shape[2]), i);
    gaps.fill(NaN, at, at + shape[2]);
  });
  expect(
    gaps.findIndex((value) => !Number.isNaN(value)),
    'first element written outside the view',
  ).to.equal(-1);
  return dense;
}

/** Runs one case of the table; the dense result, in f32. */
export const runCase = <Op extends CaseOp>(
  device: Device,
  op: Op,
  entry: CaseTable[Op],
  options?: RunOptions,
): Promise<Float32Array> => runOperation(device, operationOf(op, entry), options);
