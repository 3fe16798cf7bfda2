import type { ActivationName, DType, OpDescription, PlanDescription } from '../binding/native';
import { expectedButFound, type QAViTError } from '../errors';
import type { Parameter } from './parameter';
import { type Dim, formatShape, sameShape, type Shape } from './shape';
import { Tensor } from './tensor';

/** What matrices and their inputs are kept in. */
export type ComputeDType = 'f32' | 'bf16' | 'f16';

export interface GraphOptions {
  /** Compute dtype: matrices, and the activations that meet them. */
  readonly dtype: ComputeDType;
  /** Dtype of the residual stream, which only additions touch; f32 costs nothing on the CPU and keeps bf16 accurate. */
  readonly stream: ComputeDType;
}

export type ValueKind = PlanDescription['values'][number]['kind'];

export interface Value {
  kind: ValueKind;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** One recorded operation; tensors and parameters by the operand names of native/core/ops.h. */
export interface RecordedOp {
  readonly op: OpDescription['op'];
  readonly name: string;
  readonly views: Readonly<Record<string, Tensor>>;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly attributes: Readonly<Record<string, number | boolean | ActivationName>>;
}

export interface Recording {
  readonly name: string;
  readonly values: Value[];
  readonly ops: RecordedOp[];
  readonly inputs: number[];
  readonly outputs: number[];
}

/** The operands an operation may leave out are undefined. */
type Optional<T> = Readonly<Record<string, T | undefined>>;

/**
 * Records operations while a model function runs; nothing is computed. Shapes are checked at the moment of each call, so that the
 * stack of an error leads to the line of the model that is wrong.
 */
export class Graph {
  private constructor(
    /** Where in the model this is, `layers.3.mlp`; '' at the top. */
    readonly path: string,
    readonly options: GraphOptions,
    readonly recording: Recording,
  ) {}

  static create(name: string, options: GraphOptions): Graph {
    return new Graph('', options, { name, values: [], ops: [], inputs: [], outputs: [] });
  }

  /** The same graph one level further in: operations recorded through it carry `name` in theirs. */
  scope(name: string | number): Graph {
    return new Graph(this.path ? `${this.path}.${name}` : String(name), this.options, this.recording);
  }

  /** An array given at each run; run() takes them in the order of these calls. */
  input(dtype: DType, shape: Shape): Tensor {
    const tensor = this.allocate(dtype, shape, 'input');
    this.recording.inputs.push(tensor.value);
    return tensor;
  }

  /** A tensor on the device given at each run, which operations change; run() takes it among the inputs, in the order of the calls. */
  state(dtype: DType, shape: Shape): Tensor {
    const tensor = this.allocate(dtype, shape, 'state');
    this.recording.inputs.push(tensor.value);
    return tensor;
  }

  /** Makes `tensor` a result of the plan; run() returns them in the order of these calls. It must be all that one operation wrote. */
  output(tensor: Tensor): void {
    const value = this.valueOf(tensor, 'output');
    if (value.kind !== 'intermediate' || !tensor.covers(value.shape)) {
      const found = value.kind === 'intermediate' ? 'a slice' : `an ${value.kind}`;
      throw expectedButFound(
        'ERR_ARGUMENT',
        'the whole result of an operation',
        `an output of ${this.recording.name}`,
        found,
      );
    }
    value.kind = 'output';
    this.recording.outputs.push(tensor.value);
  }

  /** A value for an operation to write. */
  allocate(dtype: DType, shape: Shape, kind: ValueKind = 'intermediate'): Tensor {
    this.recording.values.push({ kind, dtype, shape });
    return new Tensor(this.recording, this.recording.values.length - 1, dtype, shape);
  }

  record(
    op: RecordedOp['op'],
    views: Optional<Tensor>,
    parameters: Optional<Parameter>,
    attributes: RecordedOp['attributes'],
  ): void {
    const given = present(views);
    for (const [operand, tensor] of Object.entries(given)) this.valueOf(tensor, `${operand} of ${op} ${this.path}`);
    this.recording.ops.push({ op, name: this.path, views: given, parameters: present(parameters), attributes });
  }

  /** ERR_SHAPE unless `tensor`, operand `operand` of `op`, has this shape. */
  expectShape(op: RecordedOp['op'], operand: string, tensor: Tensor, shape: Shape): void {
    if (sameShape(tensor.shape, shape)) return;
    throw this.wrongShape(op, operand, shape, formatShape(tensor.shape));
  }

  /** ERR_SHAPE unless `parameter`, operand `operand` of `op`, has this shape. */
  expectParameter(
    op: RecordedOp['op'],
    operand: string,
    parameter: Parameter | undefined,
    shape: readonly Dim[],
  ): void {
    if (!parameter) return;
    const { shape: found } = parameter;
    if (found.length === shape.length && shape.every((d, i) => d.size === found[i])) return;
    throw this.wrongShape(op, operand, shape, formatShape(found));
  }

  /** ERR_DTYPE unless `tensor` is in one of these. */
  expectDType(op: RecordedOp['op'], operand: string, tensor: Tensor, ...dtypes: DType[]): void {
    if (dtypes.includes(tensor.dtype)) return;
    throw expectedButFound('ERR_DTYPE', `${operand} in ${dtypes.join(' or ')}`, this.where(op), tensor.dtype);
  }

  /** ERR_ARGUMENT about an attribute or a missing operand. */
  wrongArgument(op: RecordedOp['op'], what: string, found: string): QAViTError {
    return expectedButFound('ERR_ARGUMENT', what, this.where(op), found);
  }

  wrongShape(op: RecordedOp['op'], operand: string, shape: readonly (Dim | number)[], found: string): QAViTError {
    return expectedButFound('ERR_SHAPE', `${operand} ${formatShape(shape)}`, this.where(op), found);
  }

  private where(op: RecordedOp['op']): string {
    return this.path ? `${op} ${this.path}` : op;
  }

  private valueOf(tensor: Tensor, where: string): Value {
    const value = this.recording.values[tensor.value];
    if (tensor.owner === this.recording && value) return value;
    throw expectedButFound('ERR_ARGUMENT', 'a tensor of this graph', where, 'a tensor of another one');
  }
}

function present<T>(record: Optional<T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).filter((entry): entry is [string, T] => entry[1] !== undefined));
}
