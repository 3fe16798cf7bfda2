import { expected } from '../errors';
import type { NamedTensors } from './named-tensors';
import type { StoredTensor } from './stored-tensor';
import { computed, type FoldContext, type Matrix, stored, type WeightParameter } from './weight-parameter';

/** How an adapter was trained (`adapter_config.json` of PEFT). */
export interface LoraConfig {
  /** lora_alpha: what is added counts alpha / r, where the rank r is seen in the tensors. */
  readonly alpha: number;
  /** PEFT's name of the adapter. Default 'default'. */
  readonly adapter?: string;
}

/** Elements of B A that exist at a time: the embedding of a large vocabulary is added to in parts. */
const PART_ELEMENTS = 2 ** 22;

/**
 * A linear map's `<module>.weight` [out, in] with what LoRA (Hu et al. 2021, arXiv 2106.09685) trained beside it merged in:
 * W + (alpha / r) B A, from `<module>.lora_A.<adapter>.weight` [r, in] and `lora_B` [out, r]. Without these it is the stored weight.
 * Newer PEFT calls the weight `<module>.base_layer.weight`; that is found too.
 *
 * @throws QAViTError ERR_FORMAT, ERR_SHAPE or ERR_DTYPE, naming the tensor, where one of the pair is missing or they do not fit
 */
export function adaptedMatrix(
  tensors: NamedTensors,
  module: string,
  [out, columns]: readonly [out: number, columns: number],
  { alpha, adapter = 'default' }: LoraConfig,
): WeightParameter {
  const base = takeBase(tensors, module, [out, columns]);
  const [a, b] = [`${module}.lora_A.${adapter}.weight`, `${module}.lora_B.${adapter}.weight`];
  if (!tensors.has(a) && !tensors.has(b)) return stored(base, 'matrix');
  const rank = rankOf(tensors, a);
  const down = tensors.take(a, [rank, columns]);
  const up = tensors.take(b, [out, rank]);
  const scale = factor(alpha, rank);
  return computed(base.name, 'matrix', base.shape, ({ multiply }) =>
    merge(base.read(), matrixOf(up), matrixOf(down), scale, multiply),
  );
}

/**
 * An embedding's `<module>.weight` [V, d] with LoRA merged in: E + (alpha / r) (B A)^T, from `<module>.lora_embedding_A.<adapter>`
 * [r, V] and `lora_embedding_B` [d, r]. The stored table stays at hand under its own name: in the published QA-ViT the language model
 * reads text by the stored one and only the question on its way to the tower by the adapted one.
 *
 * @throws as adaptedMatrix()
 */
export function adaptedEmbedding(
  tensors: NamedTensors,
  module: string,
  [entries, width]: readonly [entries: number, width: number],
  { alpha, adapter = 'default' }: LoraConfig,
): WeightParameter {
  const base = takeBase(tensors, module, [entries, width]);
  const [a, b] = [`${module}.lora_embedding_A.${adapter}`, `${module}.lora_embedding_B.${adapter}`];
  if (!tensors.has(a) && !tensors.has(b)) return stored(base, 'table');
  const rank = rankOf(tensors, a);
  const down = tensors.take(a, [rank, entries]);
  const up = tensors.take(b, [width, rank]);
  const scale = factor(alpha, rank);
  return computed(base.name, 'table', base.shape, ({ multiply }) =>
    merge(base.read(), transposed(matrixOf(down)), transposed(matrixOf(up)), scale, multiply),
  );
}

function takeBase(tensors: NamedTensors, module: string, shape: readonly number[]): StoredTensor {
  const wrapped = `${module}.base_layer.weight`;
  return tensors.take(tensors.has(wrapped) ? wrapped : `${module}.weight`, shape);
}

/** r; at least 1, so that an empty pair is refused by its shape. */
function rankOf(tensors: NamedTensors, a: string): number {
  return Math.max(1, tensors.shapeOf(a)[0] ?? 0);
}

function factor(alpha: number, rank: number): number {
  if (Number.isFinite(alpha)) return alpha / rank;
  throw expected('ERR_ARGUMENT', 'a finite number', 'alpha of LoRA', alpha);
}

/** base + scale left right, in f32 and rounded once, a number of rows at a time; into base, which is a copy of the file's. */
async function merge(
  base: Float32Array,
  left: Matrix,
  right: Matrix,
  scale: number,
  multiply: FoldContext['multiply'],
): Promise<Float32Array> {
  const { rows, columns: rank } = left;
  const { columns } = right;
  const step = Math.max(1, Math.floor(PART_ELEMENTS / columns));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const part = { data: left.data.subarray(row * rank, (row + count) * rank), rows: count, columns: rank };
    const { data } = await multiply(part, right);
    const start = row * columns;
    for (let i = 0; i < data.length; i++) base[start + i]! += scale * data[i]!;
  }
  return base;
}

function matrixOf(tensor: StoredTensor): Matrix {
  const [rows = 0, columns = 0] = tensor.shape;
  return { data: tensor.read(), rows, columns };
}

function transposed({ data, rows, columns }: Matrix): Matrix {
  const turned = new Float32Array(data.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) turned[c * rows + r] = data[r * columns + c]!;
  return { data: turned, rows: columns, columns: rows };
}
