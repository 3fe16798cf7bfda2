import { setImmediate } from 'node:timers/promises';
import { types } from 'node:util';
import type { FileRegion, HostArray, WeightRole } from '../binding/native';
import type { Parameter } from '../graph';
import { type StoredDType, toBfloat16 } from './elements';
import { stack } from './folds';
import type { StoredTensor } from './stored-tensor';

/** What folds may ask of the device while parameters are made. */
export interface FoldContext {
  /** How the device will keep matrices. */
  readonly dtype: StoredDType;
  /** a [n, k] times b [k, m], row-major f32, on the device. */
  readonly multiply: (a: Matrix, b: Matrix) => Promise<Matrix>;
}

export interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly columns: number;
}

/** Dense numbers to upload: an array, or regions of files. */
export interface WeightData {
  readonly source: readonly FileRegion[] | HostArray;
  readonly dtype: StoredDType;
}

/** A parameter that knows how it is made. Nothing is read or computed until a plan needs it. */
export interface WeightParameter extends Parameter {
  produce(context: FoldContext): Promise<WeightData>;
}

/** A tensor as the file has it. Unless it has strides its numbers go from the file to the device without a copy in JavaScript. */
export function stored(tensor: StoredTensor, role: WeightRole): WeightParameter {
  return {
    name: tensor.name,
    role,
    shape: tensor.shape,
    produce: () => Promise.resolve(dataOf([tensor], [])),
  };
}

/**
 * Tensors of a file one behind another, each times its factor (default 1). Like stored(), unless the file mixes dtypes.
 */
export function stacked(
  name: string,
  role: WeightRole,
  shape: readonly number[],
  tensors: readonly StoredTensor[],
  factors: readonly number[] = [],
): WeightParameter {
  return { name, role, shape, produce: () => Promise.resolve(dataOf(tensors, factors)) };
}

function dataOf(tensors: readonly StoredTensor[], factors: readonly number[]): WeightData {
  const [dtype = 'f32', ...others] = new Set(tensors.map((tensor) => tensor.dtype));
  if (others.length === 0 && !tensors.some((tensor) => tensor.strides)) {
    return { source: tensors.map((tensor, i) => tensor.region(factors[i])), dtype };
  }
  const numbers = tensors.map((tensor) => tensor.read());
  return { source: stack(numbers, factors), dtype: 'f32' };
}

/** A parameter computed from others, in f32 unless the numbers say what else they are. */
export function computed(
  name: string,
  role: WeightRole,
  shape: readonly number[],
  compute: (context: FoldContext) => Float32Array | Promise<Float32Array | WeightData>,
): WeightParameter {
  return {
    name,
    role,
    shape,
    async produce(context) {
      const numbers = await compute(context);
      return types.isFloat32Array(numbers) ? { source: numbers, dtype: 'f32' } : numbers;
    },
  };
}

/** An embedding table [V, C], which a device keeps in the compute dtype. */
export function embedding(tensor: StoredTensor): WeightParameter {
  return { ...stored(tensor, 'table'), narrow: true };
}

/** The same matrix, which a device may keep in int8. */
export function quantizable(parameter: WeightParameter): WeightParameter {
  return { ...parameter, quantizable: true };
}

/**
 * Equal parts one behind another, in the dtype the device will keep them in: of what is as large as several layers together, f32
 * copies exist one part at a time.
 */
export async function gather(
  dtype: StoredDType,
  { count, size }: { count: number; size: number },
  part: (i: number) => Float32Array | Promise<Float32Array>,
): Promise<WeightData> {
  const bf16 = dtype === 'bf16';
  const source = bf16 ? new Uint16Array(count * size) : new Float32Array(count * size);
  for (let i = 0; i < count; i++) {
    const numbers = await part(i);
    source.set(bf16 ? toBfloat16(numbers) : numbers, i * size);
    await setImmediate(); // other work gets its turn
  }
  return { source, dtype: bf16 ? 'bf16' : 'f32' };
}
