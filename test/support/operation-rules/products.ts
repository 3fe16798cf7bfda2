/** Matrix products, and what they are fused with. */
import { B, M, C, type RuledOperation } from './rule';

export const products: RuledOperation[] = [
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
      [
        'a patch wider than the image',
        { views: { pixels: { shape: [B, 8, 9], dtype: 'u8' } } },
        'ERR_ARGUMENT',
        'Expected patch of 1 pixel',
      ],
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
];
