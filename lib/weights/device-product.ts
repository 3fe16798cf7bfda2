import type { Device } from '../binding/native';
import { compile, dim, Graph, linear, type Parameter } from '../graph';
import type { Matrix } from './weight-parameter';

/** Matrix products on a device, in f32 whatever it computes in otherwise: a plan of one operation each. */
export function multiplyOn(device: Device): (a: Matrix, b: Matrix) => Promise<Matrix> {
  return async (a, b) => {
    // linear computes x W^T: b is laid out by its columns.
    const weight: Parameter = { name: 'b', role: 'matrix', shape: [b.columns, b.rows] };
    const g = Graph.create('product', { dtype: 'f32', stream: 'f32' });
    const x = g.input('f32', [dim('B', 1), dim('rows', a.rows), dim('C', a.columns)]);
    g.output(linear(g.scope('product'), x, { weight }));
    const source = transpose(b);
    const [resident] = await device.upload([
      { source, dtype: 'f32', shape: [1, b.columns, b.rows], role: 'matrix', computeDtype: 'f32' },
    ]);
    const plan = compile(g, device, () => resident!);
    resident!.dispose();
    const result = device.run(plan, [a.data]);
    plan.dispose();
    const [data] = await result;
    return { data: data as Float32Array, rows: a.rows, columns: b.columns };
  };
}

/** Square tiles that fit the first cache: whole columns at once would miss it on every element. */
const TILE = 32;

function transpose({ data, rows, columns }: Matrix): Float32Array {
  const out = new Float32Array(data.length);
  for (let top = 0; top < rows; top += TILE) {
    for (let left = 0; left < columns; left += TILE) {
      for (let r = top; r < Math.min(top + TILE, rows); r++) {
        for (let c = left; c < Math.min(left + TILE, columns); c++) out[c * rows + r] = data[r * columns + c] as number;
      }
    }
  }
  return out;
}
