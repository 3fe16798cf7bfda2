import type { Graph } from '../graph';
import type { Parameter } from '../parameter';
import { dim, formatShape } from '../shape';
import type { Tensor } from '../tensor';

/**
 * Rotary position embedding (Su et al. 2021, arXiv 2104.09864): in every head, elements i and i + D/2 are turned by the angle of their
 * row's place. The last P rows have one; those before them, class token and registers, stay as they are.
 *
 * @param x [B, M, n*D] in the compute dtype: any number of heads, queries and keys side by side
 * @param table f32 [P, D]: of each place the cosines of its D/2 angles, then their sines
 * @returns [B, M, n*D] in the compute dtype
 */
export function rotaryEmbed(g: Graph, x: Tensor, table: Parameter): Tensor {
  const op = 'rotary_embed';
  g.expectDType(op, 'x', x, g.options.dtype);
  const [places = 0, width = 0] = table.shape;
  if (width < 2 || width % 2 !== 0) throw g.wrongArgument(op, 'table [P, D] of an even D', formatShape(table.shape));
  if (x.columns.size % width !== 0) {
    throw g.wrongArgument(op, `x of heads that are ${width} wide`, `x ${formatShape(x.shape)}`);
  }
  if (places > x.rows.size) {
    throw g.wrongArgument(op, `table of at most ${x.rows.size} rows`, `table ${formatShape(table.shape)}`);
  }
  g.expectParameter(op, 'table', table, [dim('P', places), dim('D', width)]);
  const y = g.allocate(g.options.dtype, x.shape);
  g.record(op, { x, y }, { table }, {});
  return y;
}
