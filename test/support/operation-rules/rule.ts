/** An operation as the rules of native/core/validate.cpp see it, in a form that holds, and the changes that break it. */
import type { DType, OpDescription, WeightRole } from '../../../lib/binding/native';
import type { QAViTErrorCode } from '../../../lib/errors';
import type { Shape } from '../plan-writer';

export interface Operand {
  shape: Shape;
  dtype?: DType;
  batchStride?: number;
  rowStride?: number;
}

export interface Parameter {
  shape: Shape;
  role?: WeightRole;
  dtype?: 'f32' | 'bf16' | 'int8';
}

/** One operation as its rules see it. */
export interface Operation {
  op: OpDescription['op'];
  views: Record<string, Operand | undefined>;
  weights?: Record<string, Parameter | undefined>;
  attributes?: OpDescription['attributes'];
}

type Change = Partial<Omit<Operation, 'op'>>;
export type Rule = [broken: string, change: Change, code: QAViTErrorCode, message: string];

export interface RuledOperation {
  good: Operation;
  rules: Rule[];
}

export const [B, M, C, K, H] = [2, 5, 12, 3, 4];
