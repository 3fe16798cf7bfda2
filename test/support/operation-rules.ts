/** Every rule of native/core/validate.cpp, as one operation that holds and the changes that break it. */
import type { DType, OpDescription, WeightRole } from '../../lib/binding/native';
import type { QAViTErrorCode } from '../../lib/errors';
import type { Shape } from './plan-writer';

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
type Rule = [broken: string, change: Change, code: QAViTErrorCode, message: string];

export const [B, M, C, K, H] = [2, 5, 12, 3, 4];

/** Each operation in a form that holds, and every way to break it. */
export const operations: { good: Operation; rules: Rule[] }[] = [
  {
    good: {
      op: 'patch_embed',
      views: { pixels: { shape: [B, 8, 8 * 3], dtype: 'u8' }, out: { shape: [B, 5, C] } },
      weights: { weight: { shape: [1, C, 48] }, table: { shape: [1, 5, C], role: 'table' } },
      attributes: { patch: 4, has_class: true },
    },
    rules: [
      ['pixels missing', { views: { pixels: undefined } }, 'ERR_ARGUMENT', 'Expected pixels'],
      ['pixels not bytes', { views: { pixels: { shape: [B, 8, 24] } } }, 'ERR_DTYPE', 'Expected pixels in u8'],
      [
        'two channels',
        { views: { pixels: { shape: [B, 8, 16], dtype: 'u8' } } },
        'ERR_SHAPE',
        'Expected pixels with 3 channels',
      ],
      ['no patch', { attributes: { patch: 0 } }, 'ERR_ARGUMENT', 'Expected patch of 1 pixel'],
      ['a patch larger than the image', { attributes: { patch: 9 } }, 'ERR_ARGUMENT', 'Expected patch of 1 pixel'],
      ['a patch of 2^53 pixels', { attributes: { patch: 2 ** 53 - 1 } }, 'ERR_ARGUMENT', 'Expected patch of 1 pixel'],
      [
        'weight of another patch',
        { weights: { weight: { shape: [1, C, 27] } } },
        'ERR_SHAPE',
        'Expected weight [1, 12, 48]',
      ],
      ['two groups', { weights: { weight: { shape: [2, C, 48] } } }, 'ERR_SHAPE', 'Expected weight [1, 12, 48]'],
      [
        'weight in int8',
        { weights: { weight: { shape: [1, C, 48], dtype: 'int8' } } },
        'ERR_DTYPE',
        'Expected weight in f32, bf16 or f16',
      ],
      ['weight missing', { weights: { weight: undefined } }, 'ERR_ARGUMENT', 'Expected weight'],
      [
        'table too short',
        { weights: { table: { shape: [1, 4, C], role: 'table' } } },
        'ERR_SHAPE',
        'Expected table [1, 5, 12]',
      ],
      ['table missing', { weights: { table: undefined } }, 'ERR_ARGUMENT', 'Expected table'],
      [
        'table in bf16',
        { weights: { table: { shape: [1, 5, C], role: 'table', dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected table in f32',
      ],
      ['no class token', { attributes: { patch: 4, has_class: false } }, 'ERR_SHAPE', 'Expected table [1, 4, 12]'],
      ['out too short', { views: { out: { shape: [B, 4, C] } } }, 'ERR_SHAPE', 'Expected out [2, 5, 12]'],
      [
        'out of integers',
        { views: { out: { shape: [B, 5, C], dtype: 'i32' } } },
        'ERR_DTYPE',
        'Expected out in f32, bf16 or f16',
      ],
    ],
  },
  {
    good: {
      op: 'layer_norm',
      views: { x: { shape: [B, M, C] }, y: { shape: [B, M, C] } },
      weights: { gamma: { shape: [1, 1, C], role: 'vector' }, beta: { shape: [1, 1, C], role: 'vector' } },
      attributes: { eps: 1e-5 },
    },
    rules: [
      [
        'x of pixels',
        { views: { x: { shape: [B, M, C], dtype: 'u8' } } },
        'ERR_DTYPE',
        'Expected x in f32, bf16 or f16',
      ],
      ['y of another shape', { views: { y: { shape: [B, M, C + 1] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      [
        'gamma of another width',
        { weights: { gamma: { shape: [1, 1, 11], role: 'vector' } } },
        'ERR_SHAPE',
        'Expected gamma [1, 1, 12]',
      ],
      [
        'beta of another width',
        { weights: { beta: { shape: [1, 1, 13], role: 'vector' } } },
        'ERR_SHAPE',
        'Expected beta [1, 1, 12]',
      ],
      ['a matrix as gamma', { weights: { gamma: { shape: [1, 1, C] } } }, 'ERR_ARGUMENT', 'Expected a vector as gamma'],
      ['eps of 0', { attributes: { eps: 0 } }, 'ERR_ARGUMENT', 'Expected eps > 0'],
      ['eps below 0', { attributes: { eps: -1 } }, 'ERR_ARGUMENT', 'Expected eps > 0'],
    ],
  },
  {
    good: {
      op: 'rms_norm',
      views: { x: { shape: [B, M, C] }, y: { shape: [B, M, C] } },
      weights: { gamma: { shape: [1, 1, C], role: 'vector' } },
      attributes: { eps: 1e-6 },
    },
    rules: [
      [
        'x of integers',
        { views: { x: { shape: [B, M, C], dtype: 'i32' } } },
        'ERR_DTYPE',
        'Expected x in f32, bf16 or f16',
      ],
      ['y of another shape', { views: { y: { shape: [B, M, 8] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      ['y of bytes', { views: { y: { shape: [B, M, C], dtype: 'u8' } } }, 'ERR_DTYPE', 'Expected y in f32'],
      [
        'gamma of another width',
        { weights: { gamma: { shape: [1, 1, 11], role: 'vector' } } },
        'ERR_SHAPE',
        'Expected gamma [1, 1, 12]',
      ],
      ['eps of 0', { attributes: { eps: 0 } }, 'ERR_ARGUMENT', 'Expected eps > 0'],
    ],
  },
  {
    good: {
      op: 'attention',
      views: {
        q: { shape: [B, M, C] },
        k: { shape: [B, 7, C] },
        v: { shape: [B, 7, C] },
        lengths: { shape: [1, 1, B], dtype: 'i32' },
        out: { shape: [B, M, C] },
      },
      weights: { bias: { shape: [1, H, 5], role: 'table' } },
      attributes: { heads: H, scale: 1, causal: true },
    },
    rules: [
      ['no heads', { attributes: { heads: 0 } }, 'ERR_ARGUMENT', 'Expected heads that divide the width 12'],
      ['k of another width', { views: { k: { shape: [B, 7, 8] } } }, 'ERR_SHAPE', 'Expected k [2, 7, 12]'],
      ['k in bf16', { views: { k: { shape: [B, 7, C], dtype: 'bf16' } } }, 'ERR_DTYPE', 'Expected k in f32'],
      ['v shorter than k', { views: { v: { shape: [B, 6, C] } } }, 'ERR_SHAPE', 'Expected v [2, 7, 12]'],
      ['v in bf16', { views: { v: { shape: [B, 7, C], dtype: 'bf16' } } }, 'ERR_DTYPE', 'Expected v in f32'],
      [
        'lengths of another batch',
        { views: { lengths: { shape: [1, 1, 3], dtype: 'i32' } } },
        'ERR_SHAPE',
        'Expected lengths [1, 1, 2]',
      ],
      ['lengths that are floats', { views: { lengths: { shape: [1, 1, B] } } }, 'ERR_DTYPE', 'Expected lengths in i32'],
      [
        'causal queries that are more than the keys',
        { views: { k: { shape: [B, 4, C] }, v: { shape: [B, 4, C] } } },
        'ERR_SHAPE',
        'Expected k of at least 5 rows, as many as q has,',
      ],
      [
        'a bias of other heads',
        { weights: { bias: { shape: [1, 3, 5], role: 'table' } } },
        'ERR_SHAPE',
        'Expected bias [1, 4, 5]',
      ],
      [
        'a bias without a middle',
        { weights: { bias: { shape: [1, H, 4], role: 'table' } } },
        'ERR_SHAPE',
        'Expected bias of 2R \\+ 1 columns',
      ],
      [
        'a bias in bf16',
        { weights: { bias: { shape: [1, H, 5], role: 'table', dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected bias in f32',
      ],
      ['out of another shape', { views: { out: { shape: [B, 7, C] } } }, 'ERR_SHAPE', 'Expected out [2, 5, 12]'],
      ['q of bytes', { views: { q: { shape: [B, M, C], dtype: 'u8' } } }, 'ERR_DTYPE', 'Expected q in f32'],
    ],
  },
  {
    good: {
      op: 'gated_activation',
      views: { x: { shape: [B, M, 2 * C] }, y: { shape: [B, M, C] } },
      attributes: { activation: 'silu' },
    },
    rules: [
      ['x without halves', { views: { x: { shape: [B, M, 25] } } }, 'ERR_SHAPE', 'Expected x of 2C columns'],
      ['y of another width', { views: { y: { shape: [B, M, 11] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      ['x of bytes', { views: { x: { shape: [B, M, 24], dtype: 'u8' } } }, 'ERR_DTYPE', 'Expected x in f32'],
      ['y of integers', { views: { y: { shape: [B, M, C], dtype: 'i32' } } }, 'ERR_DTYPE', 'Expected y in f32'],
    ],
  },
  {
    good: {
      op: 'linear',
      views: { x: { shape: [B, M, 2 * 6] }, residual: { shape: [B, M, 2 * 4] }, y: { shape: [B, M, 2 * 4] } },
      weights: { weight: { shape: [2, 4, 6] }, bias: { shape: [1, 1, 8], role: 'vector' } },
      attributes: { activation: 'gelu_erf', alpha: 0.5 },
    },
    rules: [
      ['x missing', { views: { x: undefined } }, 'ERR_ARGUMENT', 'Expected x'],
      ['inputs that do not fit', { views: { x: { shape: [B, M, 10] } } }, 'ERR_SHAPE', 'Expected weight [2, 4, 5]'],
      ['inputs that no weight fits', { views: { x: { shape: [B, M, 11] } } }, 'ERR_SHAPE', 'Expected x [2, 5, 12]'],
      [
        'another compute dtype',
        { weights: { weight: { shape: [2, 4, 6], dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected weight in f32 or int8',
      ],
      [
        'a table as weight',
        { weights: { weight: { shape: [1, 4, 12], role: 'table' } } },
        'ERR_ARGUMENT',
        'Expected a matrix as weight',
      ],
      [
        'bias of one group',
        { weights: { bias: { shape: [1, 1, 4], role: 'vector' } } },
        'ERR_SHAPE',
        'Expected bias [1, 1, 8]',
      ],
      ['y of another width', { views: { y: { shape: [B, M, 4] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 8]'],
      ['y of another batch', { views: { y: { shape: [1, M, 8] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 8]'],
      [
        'residual of another shape',
        { views: { residual: { shape: [B, 4, 8] } } },
        'ERR_SHAPE',
        'Expected residual [2, 5, 8]',
      ],
      [
        'residual of integers',
        { views: { residual: { shape: [B, M, 8], dtype: 'i32' } } },
        'ERR_DTYPE',
        'Expected residual in f32, bf16',
      ],
      [
        'x in f16, which no CPU computes in',
        { views: { x: { shape: [B, M, 12], dtype: 'f16' } } },
        'ERR_DTYPE',
        'Expected weight in f16',
      ],
    ],
  },
  {
    good: {
      op: 'concat_attention',
      views: {
        q: { shape: [B, M, C] },
        k: { shape: [B, 7, C] },
        v: { shape: [B, 7, C] },
        question_k: { shape: [B, K, C] },
        question_v: { shape: [B, K, C] },
        question_lengths: { shape: [1, 1, B], dtype: 'i32' },
        out: { shape: [B, M, C] },
      },
      attributes: { heads: H, scale: 0.5 },
    },
    rules: [
      ['no heads', { attributes: { heads: 0 } }, 'ERR_ARGUMENT', 'Expected heads that divide the width 12'],
      [
        'heads that do not divide',
        { attributes: { heads: 5 } },
        'ERR_ARGUMENT',
        'Expected heads that divide the width 12',
      ],
      ['k of another width', { views: { k: { shape: [B, 7, 8] } } }, 'ERR_SHAPE', 'Expected k [2, 7, 12]'],
      ['k of another batch', { views: { k: { shape: [1, 7, C] } } }, 'ERR_SHAPE', 'Expected k [2, 7, 12]'],
      ['k in bf16', { views: { k: { shape: [B, 7, C], dtype: 'bf16' } } }, 'ERR_DTYPE', 'Expected k in f32'],
      ['v shorter than k', { views: { v: { shape: [B, 6, C] } } }, 'ERR_SHAPE', 'Expected v [2, 7, 12]'],
      ['v in bf16', { views: { v: { shape: [B, 7, C], dtype: 'bf16' } } }, 'ERR_DTYPE', 'Expected v in f32'],
      [
        'question_k alone',
        { views: { question_v: undefined } },
        'ERR_ARGUMENT',
        'Expected question_k and question_v together',
      ],
      [
        'question_v alone',
        { views: { question_k: undefined } },
        'ERR_ARGUMENT',
        'Expected question_k and question_v together',
      ],
      [
        'lengths without a question',
        { views: { question_k: undefined, question_v: undefined } },
        'ERR_ARGUMENT',
        'Expected question_k and question_v beside question_lengths',
      ],
      [
        'question_k of another width',
        { views: { question_k: { shape: [B, K, 8] } } },
        'ERR_SHAPE',
        'Expected question_k [2, 3, 12]',
      ],
      [
        'question_v shorter',
        { views: { question_v: { shape: [B, 2, C] } } },
        'ERR_SHAPE',
        'Expected question_v [2, 3, 12]',
      ],
      [
        'question_k in bf16',
        { views: { question_k: { shape: [B, K, C], dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected question_k in f32',
      ],
      [
        'question_v in bf16',
        { views: { question_v: { shape: [B, K, C], dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected question_v in f32',
      ],
      [
        'lengths of another batch',
        { views: { question_lengths: { shape: [1, 1, 3], dtype: 'i32' } } },
        'ERR_SHAPE',
        'Expected question_lengths [1, 1, 2]',
      ],
      [
        'lengths that are floats',
        { views: { question_lengths: { shape: [1, 1, B] } } },
        'ERR_DTYPE',
        'Expected question_lengths in i32',
      ],
      ['out of another shape', { views: { out: { shape: [B, 7, C] } } }, 'ERR_SHAPE', 'Expected out [2, 5, 12]'],
      [
        'out of bytes',
        { views: { out: { shape: [B, M, C], dtype: 'u8' } } },
        'ERR_DTYPE',
        'Expected out in f32, bf16 or f16',
      ],
      [
        'q of bytes',
        { views: { q: { shape: [B, M, C], dtype: 'u8' } } },
        'ERR_DTYPE',
        'Expected q in f32, bf16 or f16',
      ],
    ],
  },
  {
    good: {
      op: 'question_attention',
      views: {
        q: { shape: [B, M, C] },
        k: { shape: [B, 7, C] },
        question_k: { shape: [B, K, C] },
        question_lengths: { shape: [1, 1, B], dtype: 'i32' },
        out: { shape: [B, M, K] },
      },
      attributes: { heads: H },
    },
    rules: [
      ['no question', { views: { question_k: undefined } }, 'ERR_ARGUMENT', 'Expected question_k'],
      ['no heads', { attributes: {} }, 'ERR_ARGUMENT', 'Expected heads that divide the width 12'],
      ['k of another width', { views: { k: { shape: [B, 7, 8] } } }, 'ERR_SHAPE', 'Expected k [2, 7, 12]'],
      ['k in bf16', { views: { k: { shape: [B, 7, C], dtype: 'bf16' } } }, 'ERR_DTYPE', 'Expected k in f32'],
      [
        'question_k of another batch',
        { views: { question_k: { shape: [1, K, C] } } },
        'ERR_SHAPE',
        'Expected question_k [2, 3, 12]',
      ],
      [
        'question_k in bf16',
        { views: { question_k: { shape: [B, K, C], dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected question_k in f32',
      ],
      [
        'lengths as a column',
        { views: { question_lengths: { shape: [1, B, 1], dtype: 'i32' } } },
        'ERR_SHAPE',
        'Expected question_lengths',
      ],
      ['out of another shape', { views: { out: { shape: [B, M, C] } } }, 'ERR_SHAPE', 'Expected out [2, 5, 3]'],
      ['out in bf16', { views: { out: { shape: [B, M, K], dtype: 'bf16' } } }, 'ERR_DTYPE', 'Expected out in f32'],
    ],
  },
  {
    good: {
      op: 'gated_projection',
      views: { x: { shape: [B, M, C] }, residual: { shape: [B, M, C] }, y: { shape: [B, M, C] } },
      weights: {
        weight: { shape: [1, C, C] },
        bias: { shape: [1, 1, C], role: 'vector' },
        gate_weight: { shape: [1, C, C] },
        gate_bias: { shape: [1, 1, C], role: 'vector' },
      },
      attributes: { gate: 0.25 },
    },
    rules: [
      [
        'a weight that is not square',
        { weights: { weight: { shape: [1, C, 8] } } },
        'ERR_SHAPE',
        'Expected weight [1, 12, 12]',
      ],
      [
        'a weight in bf16',
        { weights: { weight: { shape: [1, C, C], dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected weight in f32 or int8',
      ],
      [
        'a gate_weight in f32 beside a weight in int8',
        { weights: { weight: { shape: [1, C, C], dtype: 'int8' } } },
        'ERR_DTYPE',
        'Expected gate_weight in int8',
      ],
      [
        'a gate_weight in int8 beside a weight in f32',
        { weights: { gate_weight: { shape: [1, C, C], dtype: 'int8' } } },
        'ERR_DTYPE',
        'Expected gate_weight in f32',
      ],
      [
        'a bias of another width',
        { weights: { bias: { shape: [1, 1, 8], role: 'vector' } } },
        'ERR_SHAPE',
        'Expected bias [1, 1, 12]',
      ],
      [
        'a gate_weight of another width',
        { weights: { gate_weight: { shape: [1, 8, 8] } } },
        'ERR_SHAPE',
        'Expected gate_weight [1, 12, 12]',
      ],
      [
        'a gate_weight in bf16',
        { weights: { gate_weight: { shape: [1, C, C], dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected gate_weight in f32',
      ],
      [
        'a gate_bias of another width',
        { weights: { gate_bias: { shape: [1, 1, 8], role: 'vector' } } },
        'ERR_SHAPE',
        'Expected gate_bias',
      ],
      [
        'gate_bias alone',
        { weights: { gate_weight: undefined } },
        'ERR_ARGUMENT',
        'Expected gate_weight beside gate_bias',
      ],
      ['y of another shape', { views: { y: { shape: [B, M, 8] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      [
        'residual of another shape',
        { views: { residual: { shape: [1, M, C] } } },
        'ERR_SHAPE',
        'Expected residual [2, 5, 12]',
      ],
    ],
  },
  {
    good: {
      op: 'gather_rows',
      views: { index: { shape: [1, 1, B * M], dtype: 'i32' }, out: { shape: [B, M, C] } },
      weights: { table: { shape: [1, 9, C], role: 'table' } },
    },
    rules: [
      ['no source', { weights: { table: undefined } }, 'ERR_ARGUMENT', 'Expected either table or source'],
      ['two sources', { views: { source: { shape: [4, M, C] } } }, 'ERR_ARGUMENT', 'Expected either table or source'],
      [
        'too few numbers',
        { views: { index: { shape: [1, 1, M], dtype: 'i32' } } },
        'ERR_SHAPE',
        'Expected index [1, 1, 10]',
      ],
      ['numbers that are floats', { views: { index: { shape: [1, 1, 10] } } }, 'ERR_DTYPE', 'Expected index in i32'],
      ['out of another width', { views: { out: { shape: [B, M, 8] } } }, 'ERR_SHAPE', 'Expected out [2, 5, 12]'],
      [
        'out of integers',
        { views: { out: { shape: [B, M, C], dtype: 'i32' } } },
        'ERR_DTYPE',
        'Expected out in f32, bf16 or f16',
      ],
    ],
  },
  {
    good: {
      op: 'gather_rows',
      views: { source: { shape: [4, M, C] }, index: { shape: [1, 1, B], dtype: 'i32' }, out: { shape: [B, M, C] } },
    },
    rules: [
      [
        'a number a row',
        { views: { index: { shape: [1, 1, B * M], dtype: 'i32' } } },
        'ERR_SHAPE',
        'Expected index [1, 1, 2]',
      ],
      ['out of other rows', { views: { out: { shape: [B, 4, C] } } }, 'ERR_SHAPE', 'Expected out [2, 5, 12]'],
      [
        'a source of bytes',
        { views: { source: { shape: [4, M, C], dtype: 'u8' } } },
        'ERR_DTYPE',
        'Expected source in f32, bf16 or f16',
      ],
    ],
  },
  {
    good: { op: 'copy', views: { x: { shape: [B, M, C] }, y: { shape: [B, M, C], dtype: 'bf16' } } },
    rules: [
      ['y missing', { views: { y: undefined } }, 'ERR_ARGUMENT', 'Expected y'],
      ['y of another shape', { views: { y: { shape: [B, C, M] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      [
        'y of bytes',
        { views: { y: { shape: [B, M, C], dtype: 'u8' } } },
        'ERR_DTYPE',
        'Expected y in f32, bf16 or f16',
      ],
      [
        'x of integers',
        { views: { x: { shape: [B, M, C], dtype: 'i32' } } },
        'ERR_DTYPE',
        'Expected x in f32, bf16 or f16',
      ],
      [
        'x of 2^63 elements',
        { views: { x: { shape: [2 ** 53 - 1, 2 ** 20, 12], batchStride: 0, rowStride: 0 } } },
        'ERR_SHAPE',
        'Expected x with strides >= 0 that can be addressed',
      ],
      [
        'strides that overflow',
        { views: { x: { shape: [B, M, C], batchStride: 2 ** 53 - 1, rowStride: 2 ** 53 - 1 } } },
        'ERR_ARGUMENT',
        'Expected x inside value 0',
      ],
    ],
  },
];
