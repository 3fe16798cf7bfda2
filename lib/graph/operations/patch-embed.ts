import type { Graph } from '../graph';
import type { Parameter } from '../parameter';
import { dim, formatShape } from '../shape';
import type { Tensor } from '../tensor';

/**
 * Patches of raw pixels to tokens: W patch + table, with the class token in front if there is one.
 *
 * @param pixels u8 [B, image height, image width * 3], cropped to whole patches
 * @param parameters weight [C, P*P*3] over (row, column, channel) with the pixels' normalisation folded in; table [M, C], f32
 * @returns [B, M, C] in the stream's dtype
 */
export function patchEmbed(
  g: Graph,
  pixels: Tensor,
  { weight, table }: { weight: Parameter; table: Parameter },
  { patch, hasClass }: { patch: number; hasClass: boolean },
): Tensor {
  const op = 'patch_embed';
  g.expectDType(op, 'pixels', pixels, 'u8');
  const [height, width] = [pixels.rows.size, pixels.columns.size / 3];
  if (!Number.isInteger(width)) {
    throw g.wrongArgument(op, 'pixels with 3 channels', `pixels ${formatShape(pixels.shape)}`);
  }
  if (!Number.isInteger(patch) || patch < 1 || patch > Math.min(height, width)) {
    throw g.wrongArgument(op, `a patch of 1 to ${Math.min(height, width)} pixels`, String(patch));
  }
  const channels = dim('C', weight.shape[0] ?? 0);
  const tokens = dim('M', Math.floor(height / patch) * Math.floor(width / patch) + (hasClass ? 1 : 0));
  g.expectParameter(op, 'weight', weight, [channels, dim('P*P*3', patch * patch * 3)]);
  g.expectParameter(op, 'table', table, [tokens, channels]);
  const out = g.allocate(g.options.stream, [pixels.batch, tokens, channels]);
  g.record(op, { pixels, out }, { weight, table }, { patch, has_class: hasClass });
  return out;
}
