/**
 * The one table of kernel cases. Tests, fixtures (training/fixtures) and benchmarks read it; its tensors come from `tensors.ts`, and
 * for cases marked `fixture` the results of PyTorch in float64 from `expected.ts`.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';

import type { ActivationName } from '../../lib/binding/native';
import { root } from '../support/paths';

interface Case {
  /** Unique within its operation. */
  name: string;
  seed: number;
  /** A small case whose expected output is committed. */
  fixture?: true;
  layout?: Layout;
}

/** How every activation of a case, results included, lies in memory. Absent: dense and at the start of its buffer. */
export interface Layout {
  /** Elements in front of the first row. */
  offset: number;
  /** Elements between the end of a row and the start of the next. */
  padding: number;
}

export interface PatchEmbedCase extends Case {
  B: number;
  /** Height and width in pixels. */
  image: [number, number];
  P: number;
  C: number;
  has_class?: true;
  /** The convolution has one. CLIP's has none. */
  bias?: true;
  /** Of pixels in 0..1. Default: CLIP's. */
  mean?: [number, number, number];
  std?: [number, number, number];
}

export interface LayerNormCase extends Case {
  B: number;
  rows: number;
  C: number;
  gamma?: true;
  beta?: true;
  /** Default 1e-5. */
  eps?: number;
  /** x is drawn from [-gain, gain) + shift. Defaults 1 and 0. */
  gain?: number;
  shift?: number;
}

export interface RmsNormCase extends Case {
  B: number;
  rows: number;
  C: number;
  gamma?: true;
  /** Default 1e-6. */
  eps?: number;
  /** x is drawn from [-gain, gain) + shift. Defaults 1 and 0. */
  gain?: number;
  shift?: number;
}

export interface LinearCase extends Case {
  B: number;
  rows: number;
  /** Of one group. */
  in: number;
  out: number;
  /** Default 1. */
  groups?: number;
  bias?: true;
  residual?: true;
  /** Default none. */
  activation?: ActivationName;
  /** Default 1. */
  alpha?: number;
  /** x is drawn from [-gain, gain). Default 1. */
  gain?: number;
}

export interface ConcatAttentionCase extends Case {
  B: number;
  M: number;
  /** Visual keys. Default M. */
  N?: number;
  K: number;
  H: number;
  D: number;
  /** One question serves the whole batch. */
  shared?: true;
  /** One for each sample. Default: K everywhere. */
  lengths?: number[];
  /** Default D^-0.5. */
  scale?: number;
}

export interface AttentionCase extends Case {
  B: number;
  M: number;
  N: number;
  H: number;
  D: number;
  /** A bias for distances -R..R. Default: none. */
  R?: number;
  /** One for each sample. Default: N everywhere. */
  lengths?: number[];
  causal?: true;
  /** Default 1, as T5 has it. */
  scale?: number;
}

export interface RotaryEmbedCase extends Case {
  B: number;
  rows: number;
  /** Of the rows of a batch entry, how many have a place. */
  P: number;
  H: number;
  D: number;
}

export interface GatedActivationCase extends Case {
  B: number;
  rows: number;
  /** Of the result. */
  C: number;
  activation: ActivationName;
  /** x is drawn from [-gain, gain). Default 1. */
  gain?: number;
}

export interface MeanRowsCase extends Case {
  B: number;
  /** Of the result. */
  rows: number;
  /** Rows of x to one of the result. */
  G: number;
  C: number;
  /** x is drawn from [-gain, gain) + shift. Default 1 and 0. */
  gain?: number;
  shift?: number;
}

export interface GatedProjectionCase extends Case {
  B: number;
  rows: number;
  C: number;
  /** tanh(beta). */
  gate: number;
  /** Of both projections. Default true. */
  bias?: boolean;
  residual?: true;
}

export interface GatherRowsCase extends Case {
  /** Rows of a table of `entries` rows, or whole entries of an activation [entries, rows, C]. */
  from: 'table' | 'source';
  B: number;
  rows: number;
  C: number;
  entries: number;
}

export interface CaseTable {
  patch_embed: PatchEmbedCase;
  layer_norm: LayerNormCase;
  rms_norm: RmsNormCase;
  linear: LinearCase;
  concat_attention: ConcatAttentionCase;
  attention: AttentionCase;
  rotary_embed: RotaryEmbedCase;
  gated_projection: GatedProjectionCase;
  gated_activation: GatedActivationCase;
  mean_rows: MeanRowsCase;
  gather_rows: GatherRowsCase;
}

export type CaseOp = keyof CaseTable;

export const CASE_OPS: readonly CaseOp[] = [
  'patch_embed',
  'layer_norm',
  'rms_norm',
  'linear',
  'concat_attention',
  'attention',
  'rotary_embed',
  'gated_projection',
  'gated_activation',
  'mean_rows',
  'gather_rows',
];

export function casesOf<Op extends CaseOp>(op: Op): CaseTable[Op][] {
  return JSON.parse(readFileSync(path.join(root, 'test', 'cases', `${op}.json`), 'utf8')) as CaseTable[Op][];
}
