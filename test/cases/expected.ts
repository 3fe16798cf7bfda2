/** What PyTorch makes of the cases marked `fixture`; written by training/fixtures. */
import { readFileSync } from 'node:fs';

import { fixture } from '../support/paths';
import { readSafetensors, type StoredTensor } from '../support/safetensors';
import type { CaseOp } from './index';

export interface Expected {
  /** Computed in float64, stored as f32. */
  output: StoredTensor<Float32Array>;
  /**
   * Relative Frobenius error of PyTorch's own bf16 operation, the inputs' rounding included. A measure where there are hundreds of
   * outputs; of a single number it is a matter of luck.
   */
  bf16Error: number;
}

let tensors: ReadonlyMap<string, StoredTensor> | undefined;
let errors: Record<CaseOp, Record<string, { bf16: number }>> | undefined;

/** Throws where the case is not marked `fixture`, or the fixtures are older than the table. */
export function expectedOutput(op: CaseOp, name: string): Expected {
  tensors ??= readSafetensors(fixture('ops.safetensors'));
  errors ??= JSON.parse(readFileSync(fixture('ops.json'), 'utf8')) as NonNullable<typeof errors>;
  const output = tensors.get(`${op}/${name}`);
  const error = errors[op][name];
  if (!output || !error) throw new Error(`no expected output of ${op} '${name}': run python -m fixtures.write`);
  return { output: output as StoredTensor<Float32Array>, bf16Error: error.bf16 };
}
