import { PlanWriter } from './plan-writer';
import { floats, integer, random } from './random';

/**
 * A random plan of copies, and what it must compute. At each step a value is made from a slice of a living one, which may be the
 * last use of that one, or a living one is handed out whole: every byte of it must have lasted until then.
 */
export function randomPlan(seed: number) {
  const next = random(seed);
  const plan = new PlanWriter(`random ${seed}`);
  const width = 16;
  const height = 12;
  const input = plan.input([1, height, width]);
  const data = floats(next, height * width);
  const contents = new Map<number, Float32Array>([[input, data]]);
  const lastRead = new Map<number, number>();
  const born = new Map<number, number>();
  /** A random slice of `from`, of the size of one entry of `to`, into each of its entries. */
  const copy = (from: number, to: number): void => {
    const shape = plan.values[to]!.shape;
    const [batch, rows, cols] = shape;
    const source = contents.get(from)!;
    const [sourceBatch, sourceRows, sourceCols] = plan.values[from]!.shape;
    const entry = integer(next, 0, sourceBatch - 1);
    const firstRow = integer(next, 0, sourceRows - rows);
    const firstCol = integer(next, 0, sourceCols - cols);
    const offset = (entry * sourceRows + firstRow) * sourceCols + firstCol;
    born.set(to, plan.ops.length);
    lastRead.set(from, plan.ops.length);
    plan.op('copy', { x: { value: from, offset, shape, batchStride: 0, rowStride: sourceCols }, y: to });
    const result = new Float32Array(batch * rows * cols);
    result.forEach((_, i) => {
      const [row, col] = [Math.floor(i / cols) % rows, i % cols];
      result[i] = source[offset + row * sourceCols + col]!;
    });
    contents.set(to, result);
  };
  /** The whole of `from`. */
  const copyWhole = (from: number, to: number): void => {
    lastRead.set(from, plan.ops.length);
    plan.op('copy', { x: from, y: to });
    contents.set(to, contents.get(from)!);
  };
  const made: number[] = [];
  const outputs: number[] = [];
  const alive: { value: number; handedOut: boolean }[] = [];
  const steps = integer(next, 5, 60);
  const any = () => alive[integer(next, 0, alive.length - 1)];
  const make = (): void => {
    const parent = next() < 0.8 ? any() : undefined;
    const from = parent?.value ?? input;
    const [, rows, cols] = plan.values[from]!.shape;
    const to = plan.intermediate([integer(next, 1, 3), integer(next, 1, rows), integer(next, 1, cols)]);
    copy(from, to);
    if (parent?.handedOut && next() < 0.7) alive.splice(alive.indexOf(parent), 1);
    made.push(to);
    alive.push({ value: to, handedOut: false });
  };
  const handOut = (entry: { value: number; handedOut: boolean }): void => {
    const output = plan.output(plan.values[entry.value]!.shape);
    copyWhole(entry.value, output);
    outputs.push(output);
    entry.handedOut = true;
  };
  for (let step = 0; step < steps; step += 1) {
    const entry = any();
    if (entry && !entry.handedOut && next() < 0.6) handOut(entry);
    else make();
  }
  alive.filter(({ handedOut }) => !handedOut).forEach(handOut);
  return { plan, data, contents, made, outputs, born, lastRead };
}
