import type { DType, OpDescription, PlanDescription, ViewDescription } from '../../lib/binding/native';

export type Shape = [number, number, number];

interface ValueDescription {
  kind: PlanDescription['values'][number]['kind'];
  dtype: DType;
  shape: Shape;
}

/** Writes PlanDescriptions by hand, for tests of the native side: views default to the whole of a value. */
export class PlanWriter {
  readonly values: ValueDescription[] = [];
  readonly ops: OpDescription[] = [];

  constructor(readonly name = 'test') {}

  input = (shape: Shape, dtype: DType = 'f32'): number => this.value('input', shape, dtype);
  state = (shape: Shape, dtype: DType = 'f32'): number => this.value('state', shape, dtype);
  output = (shape: Shape, dtype: DType = 'f32'): number => this.value('output', shape, dtype);
  intermediate = (shape: Shape, dtype: DType = 'f32'): number => this.value('intermediate', shape, dtype);

  /** The whole of a value. */
  whole(value: number): ViewDescription {
    const { shape } = this.values[value]!;
    return { value, offset: 0, shape, batchStride: shape[1] * shape[2], rowStride: shape[2] };
  }

  /** Columns [from, from + count) of every row. */
  columns(value: number, from: number, count: number): ViewDescription {
    const view = this.whole(value);
    return { ...view, offset: from, shape: [view.shape[0], view.shape[1], count] };
  }

  /** Rows [from, from + count) of every batch entry. */
  rows(value: number, from: number, count: number): ViewDescription {
    const view = this.whole(value);
    return { ...view, offset: from * view.rowStride, shape: [view.shape[0], count, view.shape[2]] };
  }

  op(
    op: OpDescription['op'],
    views: Record<string, number | ViewDescription>,
    weights: Record<string, number> = {},
    attributes: OpDescription['attributes'] = {},
  ): this {
    const entries = Object.entries(views).map(([name, view]) => [
      name,
      typeof view === 'number' ? this.whole(view) : view,
    ]);
    const described = Object.fromEntries(entries) as Record<string, ViewDescription>;
    this.ops.push({ op, name: `op${this.ops.length}`, views: described, weights, attributes });
    return this;
  }

  describe(): PlanDescription {
    const of = (...kinds: string[]): number[] =>
      this.values.flatMap((value, i) => (kinds.includes(value.kind) ? [i] : []));
    return { name: this.name, values: this.values, ops: this.ops, inputs: of('input', 'state'), outputs: of('output') };
  }

  private value(kind: ValueDescription['kind'], shape: Shape, dtype: DType): number {
    return this.values.push({ kind, dtype, shape }) - 1;
  }
}
