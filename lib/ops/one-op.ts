import { types } from 'node:util';
import { loadAddon } from '../binding/load';
import type { AbortFlag, Device, HostArray, WeightRole } from '../binding/native';
import { withAbortFlag } from '../calls/abort';
import { Calls } from '../calls/calls';
import { abortSignal, isPlainObject, oneOf } from '../calls/options';
import { expected } from '../errors';
import { compile, copy, dim, Graph, parametersOf, type Shape, type Tensor } from '../graph';
import { computed, ParameterStore, type WeightParameter } from '../weights';

/** Numbers with a shape, row-major. */
export interface Numbers<Data = Float32Array> {
  data: Data;
  shape: readonly number[];
}

/** How an operation is run. */
export interface RunOptions {
  /** What matrices and their inputs are rounded to; results are f32 in any case. Default `f32`. */
  dtype?: 'f32' | 'bf16';
  signal?: AbortSignal;
}

export const RUN_RULES = { dtype: oneOf('f32', 'bf16'), signal: abortSignal };

/** Dimensions of a parameter. */
const RANKS: Readonly<Record<WeightRole, readonly [least: number, most: number]>> = {
  matrix: [2, 3],
  vector: [1, 1],
  table: [2, 2],
};

/** By what they are: arrays of another realm, such as a test runner's, have other classes of the same names. */
const KINDS = { Float32Array: types.isFloat32Array, Uint8Array: types.isUint8Array };

const calls = new Calls();
let shared: Device | undefined;

/** One CPU device for all operations of this module, opened by the first. It does not keep the process alive. */
function device(): Device {
  shared ??= new (loadAddon().Device)({ kind: 'cpu' });
  return shared;
}

/** A plan of one operation: collects its operands, then runs. */
export class OneOp {
  readonly graph: Graph;
  private readonly inputs: HostArray[] = [];

  constructor(
    private readonly name: string,
    private readonly options: RunOptions,
  ) {
    this.graph = Graph.create(name, { dtype: options.dtype ?? 'f32', stream: 'f32' });
  }

  /** An f32 activation [rows, columns] or [B, rows, columns], as it is. */
  plain(operand: string, numbers: Numbers, names: readonly [string, string, string]): Tensor {
    const [batch, rows, columns] = this.check(operand, numbers, 'Float32Array', 2, 3);
    const shape: Shape = [dim(names[0], batch), dim(names[1], rows), dim(names[2], columns)];
    this.inputs.push(numbers.data);
    return this.graph.input('f32', shape);
  }

  /** An activation in the compute dtype. */
  activation(operand: string, numbers: Numbers, names: readonly [string, string, string]): Tensor {
    const tensor = this.plain(operand, numbers, names);
    return this.graph.options.dtype === 'f32' ? tensor : copy(this.graph.scope(operand), tensor);
  }

  /** Pictures [height, width, 3] or [B, height, width, 3]. */
  pixels(operand: string, numbers: Numbers<Uint8Array>): Tensor {
    const [batch, height, width, channels] = this.check(operand, numbers, 'Uint8Array', 3, 4);
    if (channels !== 3) throw expected('ERR_SHAPE', '[height, width, 3]', this.where(operand), numbers.shape);
    this.inputs.push(numbers.data);
    return this.graph.input('u8', [dim('B', batch), dim('rows', height), dim('columns*3', width * 3)]);
  }

  /** Integers [B]. */
  integers(operand: string, data: Int32Array): Tensor {
    if (!types.isInt32Array(data)) throw expected('ERR_DTYPE', 'an Int32Array', this.where(operand), data);
    this.inputs.push(data);
    return this.graph.input('i32', [dim('1', 1), dim('1', 1), dim('B', data.length)]);
  }

  parameter(operand: string, role: WeightRole, numbers: Numbers): WeightParameter {
    const [least, most] = RANKS[role];
    this.check(operand, numbers, 'Float32Array', least, most);
    return computed(this.where(operand), role, numbers.shape, () => numbers.data);
  }

  /** Runs the operation that gave `result`. */
  async run(result: Tensor, rank: number): Promise<Numbers> {
    const { graph, options } = this;
    graph.output(result.dtype === 'f32' ? result : copy(graph.scope('out'), result, { dtype: 'f32' }));
    const compute = async (abort: AbortFlag | undefined): Promise<Float32Array> => {
      const store = new ParameterStore(device(), graph.options.dtype);
      try {
        await store.ensure(parametersOf(graph), abort);
        const plan = compile(graph, device(), store.weightOf);
        try {
          const [array] = await device().run(plan, this.inputs, { abort });
          return array as Float32Array;
        } finally {
          plan.dispose();
        }
      } finally {
        store.dispose();
      }
    };
    const data = await calls.run(this.name, options.signal, (signal) => withAbortFlag(signal, compute));
    return { data, shape: result.shape.map(({ size }) => size).slice(3 - rank) };
  }

  /** The shape with a batch in front, where the operand may leave it out. */
  private check(
    operand: string,
    numbers: Numbers<HostArray>,
    kind: keyof typeof KINDS,
    least: number,
    most: number,
  ): [number, number, number, number] {
    const where = this.where(operand);
    if (!isPlainObject(numbers)) throw expected('ERR_ARGUMENT', `{ data: ${kind}, shape }`, where, numbers);
    const { data, shape } = numbers as Numbers<HostArray>;
    if (!KINDS[kind](data)) throw expected('ERR_DTYPE', `a ${kind}`, `data of ${where}`, data);
    const rank =
      Array.isArray(shape) && shape.every((size) => Number.isSafeInteger(size) && size > 0) ? shape.length : 0;
    if (rank < least || rank > most) {
      throw expected(
        'ERR_SHAPE',
        `${least === most ? least : `${least} or ${most}`} positive dimensions`,
        `shape of ${where}`,
        shape,
      );
    }
    const count = shape.reduce((product, size) => product * size, 1);
    if (data.length !== count)
      throw expected('ERR_SHAPE', `${count} numbers for [${shape.join(', ')}]`, `data of ${where}`, data.length);
    const [first = 1, second = 1, third = 1, fourth = 1] = rank === most ? shape : [1, ...shape];
    return [first, second, third, fourth];
  }

  private where(operand: string): string {
    return `${operand} of ${this.name}`;
  }
}
