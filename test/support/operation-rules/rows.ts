/** What works on rows by themselves: norms, activations, copies. */
import { B, M, C, type RuledOperation } from './rule';

export const rows: RuledOperation[] = [
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
      op: 'rotary_embed',
      views: { x: { shape: [B, M, C] }, y: { shape: [B, M, C] } },
      weights: { table: { shape: [1, M - 1, 4], role: 'table' } },
      attributes: {},
    },
    rules: [
      ['x of bytes', { views: { x: { shape: [B, M, C], dtype: 'u8' } } }, 'ERR_DTYPE', 'Expected x in f32'],
      ['y of another shape', { views: { y: { shape: [B, M, 8] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      ['y of integers', { views: { y: { shape: [B, M, C], dtype: 'i32' } } }, 'ERR_DTYPE', 'Expected y in f32'],
      [
        'heads that have no halves',
        { weights: { table: { shape: [1, M - 1, 3], role: 'table' } } },
        'ERR_SHAPE',
        'Expected table [P, D] of an even D',
      ],
      [
        'a row that is no number of heads',
        { weights: { table: { shape: [1, M - 1, 8], role: 'table' } } },
        'ERR_SHAPE',
        'Expected x of heads that are 8 wide',
      ],
      [
        'more places than rows',
        { weights: { table: { shape: [1, M + 1, 4], role: 'table' } } },
        'ERR_SHAPE',
        'Expected table of at most 5 rows',
      ],
      [
        'table in bf16',
        { weights: { table: { shape: [1, M - 1, 4], role: 'table', dtype: 'bf16' } } },
        'ERR_DTYPE',
        'Expected table in f32',
      ],
      ['a matrix as table', { weights: { table: { shape: [1, 4, 4] } } }, 'ERR_ARGUMENT', 'Expected a table as table'],
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
    good: { op: 'mean_rows', views: { x: { shape: [B, 3 * M, C] }, y: { shape: [B, M, C], dtype: 'bf16' } } },
    rules: [
      ['a group of fewer', { views: { x: { shape: [B, 14, C] } } }, 'ERR_SHAPE', 'Expected x of whole groups for 5'],
      ['fewer rows than y', { views: { x: { shape: [B, 4, C] } } }, 'ERR_SHAPE', 'Expected x of whole groups for 5'],
      ['y of another width', { views: { y: { shape: [B, M, 11] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      ['y of another batch', { views: { y: { shape: [1, M, C] } } }, 'ERR_SHAPE', 'Expected y [2, 5, 12]'],
      ['x of bytes', { views: { x: { shape: [B, 15, C], dtype: 'u8' } } }, 'ERR_DTYPE', 'Expected x in f32'],
      ['y of integers', { views: { y: { shape: [B, M, C], dtype: 'i32' } } }, 'ERR_DTYPE', 'Expected y in f32'],
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
