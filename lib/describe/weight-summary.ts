import type { StoredTensor } from '../weights';

/** How much a folder's weights are, as they are stored. */
export interface WeightSummary {
  readonly parameters: number;
  readonly bytes: number;
  /** As safetensors spells them, the one with the most bytes first. */
  readonly dtypes: readonly string[];
}

export function summarize(tensors: Iterable<StoredTensor>): WeightSummary {
  const bytesOf = new Map<string, number>();
  let [parameters, bytes] = [0, 0];
  for (const tensor of tensors) {
    parameters += tensor.shape.reduce((product, size) => product * size, 1);
    bytes += tensor.bytes;
    bytesOf.set(tensor.storedAs, (bytesOf.get(tensor.storedAs) ?? 0) + tensor.bytes);
  }
  const dtypes = [...bytesOf].sort(([, a], [, b]) => b - a).map(([dtype]) => dtype);
  return { parameters, bytes, dtypes };
}
