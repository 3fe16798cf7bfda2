/** The operations of CLIP towers, as plans that repeat one of them. */
import type {
  Device,
  HostArray,
  MatrixDType,
  OpDescription,
  PlanDescription,
  ViewDescription,
  Weight,
} from '../lib/binding/native';

export type ComputeDType = 'f32' | 'bf16';
type Shape = [number, number, number];

export interface KernelCase {
  name: string;
  /** Multiplications and additions of one repeat. */
  operations: number;
  /** Read and written once, where memory is the limit. */
  bytes?: number;
  /** The same work for another library; absent where there is no one word for it. */
  shape?: ProductShape | AttentionShape;
  inputs: readonly Input[];
  /** Bytes of its largest weight; 0 without. */
  weightBytes: number;
  /**
   * A plan that computes the operation `repeats` times, with `copies` sets of weights in turn, and what it needs. It hands out one row
   * of the last result: all of it would be memory that is new in every run, and giving that out takes longer than writing it.
   */
  prepare(
    device: Device,
    repeats: number,
    copies?: number,
  ): Promise<{ plan: PlanDescription; weights: Weight[]; inputs: HostArray[] }>;
}

/** y [rows, out] = x [rows, inner] W^T + b */
export interface ProductShape {
  kind: 'product';
  rows: number;
  inner: number;
  out: number;
}

/** [batch, heads, queries, width] against as many `keys` and values. */
export interface AttentionShape {
  kind: 'attention';
  batch: number;
  heads: number;
  queries: number;
  keys: number;
  width: number;
}

interface Input {
  dtype: ComputeDType | 'u8' | 'f32';
  shape: Shape;
}

interface WeightShape {
  role: 'matrix' | 'vector' | 'table';
  shape: Shape;
  dtype: MatrixDType;
}

interface Spec {
  name: string;
  operations: number;
  bytes?: number;
  shape?: KernelCase['shape'];
  op: OpDescription['op'];
  inputs: Input[];
  /** Operands by name; `value` counts inputs. */
  views: Record<string, ViewDescription>;
  weights?: Record<string, WeightShape>;
  attributes?: OpDescription['attributes'];
  result: { name: string; dtype: ComputeDType; shape: Shape };
}

const ELEMENT_BYTES: Record<MatrixDType, number> = { f32: 4, bf16: 2, f16: 2, int8: 1 };

const elements = (shape: Shape): number => shape[0] * shape[1] * shape[2];

/** Numbers between -1 and 1 without a pattern that a cache or predictor could like. */
export function noise(count: number): Float32Array {
  const values = new Float32Array(count);
  for (let i = 0; i < count; i += 1) values[i] = (((i * 2654435761) >>> 8) % 2001) / 1000 - 1;
  return values;
}

function hostArray({ dtype, shape }: Input): HostArray {
  const values = noise(elements(shape));
  if (dtype === 'u8') return Uint8Array.from(values, (value) => Math.round((value + 1) * 127));
  if (dtype === 'f32') return values;
  const words = new Uint32Array(values.buffer);
  const halves = new Uint16Array(words.length);
  for (let i = 0; i < words.length; i += 1) halves[i] = words[i]! >>> 16;
  return halves;
}

const whole = (value: number, shape: Shape): ViewDescription => ({
  value,
  offset: 0,
  shape,
  batchStride: shape[1] * shape[2],
  rowStride: shape[2],
});

function caseOf(spec: Spec): KernelCase {
  const inputValues = spec.inputs.map(({ dtype, shape }) => ({ kind: 'input' as const, dtype, shape }));
  const result = { dtype: spec.result.dtype, shape: spec.result.shape };
  const weightShapes = Object.values(spec.weights ?? {});
  return {
    name: spec.name,
    operations: spec.operations,
    bytes: spec.bytes,
    shape: spec.shape,
    inputs: spec.inputs,
    weightBytes: Math.max(0, ...weightShapes.map(({ shape, dtype }) => elements(shape) * ELEMENT_BYTES[dtype])),
    async prepare(device, repeats, copies = 1) {
      const uploads = weightShapes.map(({ role, shape, dtype }) => ({
        source: noise(elements(shape)).map((value) => value / 32),
        dtype: 'f32' as const,
        shape,
        role,
        computeDtype: dtype,
      }));
      const weights = await device.upload(Array.from({ length: copies }, () => uploads).flat());
      const first = inputValues.length;
      const row: Shape = [1, 1, result.shape[2]];
      const plan: PlanDescription = {
        name: spec.name,
        values: [
          ...inputValues,
          ...Array.from({ length: repeats }, () => ({ kind: 'intermediate' as const, ...result })),
          { kind: 'output' as const, dtype: result.dtype, shape: row },
        ],
        ops: Array.from({ length: repeats }, (_, i): OpDescription => ({
          op: spec.op,
          name: `repeat ${i}`,
          views: { ...spec.views, [spec.result.name]: whole(first + i, result.shape) },
          weights: Object.fromEntries(
            Object.keys(spec.weights ?? {}).map((name, index) => [name, (i % copies) * weightShapes.length + index]),
          ),
          attributes: spec.attributes ?? {},
        })).concat({
          op: 'copy',
          name: 'a row',
          views: { x: { ...whole(first + repeats - 1, result.shape), shape: row }, y: whole(first + repeats, row) },
          weights: {},
          attributes: {},
        }),
        inputs: inputValues.map((_, i) => i),
        outputs: [first + repeats],
      };
      return { plan, weights, inputs: spec.inputs.map(hostArray) };
    },
  };
}

/** What a linear map is measured in: its activations, and its matrix, which may be int8. */
interface LinearDTypes {
  dtype: ComputeDType;
  matrix: MatrixDType;
}

function linear(
  label: string,
  rows: number,
  inner: number,
  out: number,
  { dtype, matrix }: LinearDTypes,
  kind: 'plain' | 'gelu' | 'quick_gelu' | 'residual',
) {
  const x: Input = { dtype, shape: [1, rows, inner] };
  const residual: Input = { dtype: 'f32', shape: [1, rows, out] };
  const adds = kind === 'residual';
  return caseOf({
    name: `linear ${label}: ${rows} x ${inner} -> ${out}${kind === 'plain' ? '' : `, ${kind}`}`,
    operations: 2 * rows * inner * out,
    shape: { kind: 'product', rows, inner, out },
    op: 'linear',
    inputs: adds ? [x, residual] : [x],
    views: { x: whole(0, x.shape), ...(adds && { residual: whole(1, residual.shape) }) },
    weights: {
      weight: { role: 'matrix', shape: [1, out, inner], dtype: matrix },
      bias: { role: 'vector', shape: [1, 1, out], dtype: 'f32' },
    },
    attributes: { activation: kind === 'gelu' ? 'gelu_erf' : kind === 'quick_gelu' ? kind : 'none', alpha: 1 },
    result: { name: 'y', dtype: adds ? 'f32' : dtype, shape: [1, rows, out] },
  });
}

/** q, k and v are column slices of one fused projection, as in a tower. */
function attention(label: string, B: number, M: number, K: number, H: number, D: number, dtype: ComputeDType) {
  const C = H * D;
  const tower: Input = { dtype, shape: [B, M, 3 * C] };
  const question: Input = { dtype, shape: [B, Math.max(K, 1), 2 * C] };
  const slice = (value: number, rows: number, columns: number, part: number): ViewDescription => ({
    value,
    offset: part * C,
    shape: [B, rows, C],
    batchStride: rows * columns,
    rowStride: columns,
  });
  return caseOf({
    name: `concat_attention ${label}: ${B} x ${H} heads, ${M} x ${M + K} x ${D}`,
    operations: 4 * B * M * (M + K) * C,
    shape: { kind: 'attention', batch: B, heads: H, queries: M, keys: M + K, width: D },
    op: 'concat_attention',
    inputs: K > 0 ? [tower, question] : [tower],
    views: {
      q: slice(0, M, 3 * C, 0),
      k: slice(0, M, 3 * C, 1),
      v: slice(0, M, 3 * C, 2),
      ...(K > 0 && { question_k: slice(1, K, 2 * C, 0), question_v: slice(1, K, 2 * C, 1) }),
    },
    attributes: { heads: H, scale: D ** -0.5 },
    result: { name: 'out', dtype, shape: [B, M, C] },
  });
}

function layerNorm(rows: number, C: number, dtype: ComputeDType) {
  const vector: WeightShape = { role: 'vector', shape: [1, 1, C], dtype: 'f32' };
  return caseOf({
    name: `layer_norm ${rows} x ${C}`,
    operations: 7 * rows * C,
    bytes: rows * C * (4 + (dtype === 'f32' ? 4 : 2)),
    op: 'layer_norm',
    inputs: [{ dtype: 'f32', shape: [1, rows, C] }],
    views: { x: whole(0, [1, rows, C]) },
    weights: { gamma: vector, beta: vector },
    attributes: { eps: 1e-5 },
    result: { name: 'y', dtype, shape: [1, rows, C] },
  });
}

/** What decides the operations of a tower's layer. */
export interface LayerSize {
  tokens: number;
  width: number;
  heads: number;
  mlp: number;
  questionTokens: number;
}

/** The operations of one fused layer for a batch of B. */
export function layerCases(size: LayerSize, B: number, dtype: ComputeDType): KernelCase[] {
  const { tokens: M, width: C, heads: H, mlp, questionTokens: K } = size;
  const rows = B * M;
  const dtypes = { dtype, matrix: dtype };
  return [
    linear(`qkv, batch ${B}`, rows, C, 3 * C, dtypes, 'plain'),
    linear(`out, batch ${B}`, rows, C, C, dtypes, 'residual'),
    linear(`fc1, batch ${B}`, rows, C, mlp, dtypes, 'quick_gelu'),
    linear(`fc2, batch ${B}`, rows, mlp, C, dtypes, 'residual'),
    attention(`batch ${B}`, B, M, K, H, C / H, dtype),
    layerNorm(rows, C, dtype),
  ];
}

/** y [size, size] = x W^T + b, summed over as many. */
export function squareProduct(size: number, dtype: ComputeDType): KernelCase {
  return linear('square', size, size, size, { dtype, matrix: dtype }, 'plain');
}

function linearCases(dtypes: LinearDTypes): KernelCase[] {
  return [
    linear('L/14-336 qkv', 577, 1024, 3072, dtypes, 'plain'),
    linear('L/14-336 out', 577, 1024, 1024, dtypes, 'residual'),
    linear('L/14-336 fc1', 577, 1024, 4096, dtypes, 'gelu'),
    linear('L/14-336 fc2', 577, 4096, 1024, dtypes, 'residual'),
    linear('L/14-336 fc1, batch 8', 4616, 1024, 4096, dtypes, 'gelu'),
    linear('B/16 fc1', 197, 768, 3072, dtypes, 'gelu'),
    linear('B/32 qkv', 50, 768, 2304, dtypes, 'plain'),
    linear('question k, v', 32, 768, 2048, dtypes, 'plain'),
    linear('one row', 1, 1024, 4096, dtypes, 'plain'),
  ];
}

/**
 * @param dtype of the products; int8 has linear maps alone
 * @param float of the activations that meet int8: the device's fastest
 */
export function kernelCases(dtype: ComputeDType | 'int8', float: ComputeDType): KernelCase[] {
  if (dtype === 'int8') return linearCases({ dtype: float, matrix: 'int8' });
  return [
    ...linearCases({ dtype, matrix: dtype }),
    attention('L/14-336', 1, 577, 32, 16, 64, dtype),
    attention('L/14-336, no question', 1, 577, 0, 16, 64, dtype),
    attention('L/14-336, batch 8', 8, 577, 32, 16, 64, dtype),
    attention('B/16', 1, 197, 32, 12, 64, dtype),
    attention('B/32', 1, 50, 32, 12, 64, dtype),
    attention('H/14', 1, 257, 32, 16, 80, dtype),
    attention('three heads', 1, 577, 32, 3, 64, dtype),
    layerNorm(577, 1024, dtype),
  ];
}
