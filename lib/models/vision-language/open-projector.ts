import type { Projector } from '../../blocks/projector';
import type { Affine, RmsNorm } from '../../graph';
import { computed, NamedTensors, stored, type StoredTensor, type TensorSource } from '../../weights';
import { transposed } from '../../weights/strided';
import { takeAffine, takeNorm } from '../stored-affine';
import type { ProjectorShape } from './family';

/**
 * A vision-language model's way from its tower's width to its language model's.
 *
 * @param width C of the tower
 * @returns the projector and E
 * @throws QAViTError ERR_FORMAT or ERR_SHAPE, naming the tensor
 */
export function openLanguageProjector(
  shape: ProjectorShape,
  source: TensorSource,
  width: number,
): { projector: Projector; languageWidth: number } {
  const { name, maps, bias, activation, squares, norm, lines } = shape;
  const first = `${name}.${maps[0]}${shape.transposed ? '' : '.weight'}`;
  const tensors = NamedTensors.behindPrefix(source, first);
  const languageWidth = tensors.shapeOf(first)[shape.transposed ? 1 : 0] ?? 0;
  const inputs = squares?.as === 'one row' ? width * squares.side ** 2 : width;
  const layers = maps.map((map, i): Affine => {
    const size = { out: languageWidth, inputs: i === 0 ? inputs : languageWidth, bias };
    if (shape.transposed) return { weight: transposedMap(tensors.take(first, [size.inputs, size.out])) };
    const affine = takeAffine(tensors, `${name}.${map}`, size);
    return { weight: stored(affine.weight, 'matrix'), bias: affine.bias && stored(affine.bias, 'vector') };
  });
  const newline = lines && tensors.take(lines.newline, [languageWidth]).read();
  const own = norm && `${name}.${norm.name}`;
  const norms =
    norm?.kind === 'rms'
      ? { rmsNorm: takeRmsNorm(tensors, `${own}.weight`, inputs, norm.eps) }
      : { norm: norm && takeNorm(tensors, `${own}`, inputs, norm.eps) };
  // Whatever is not the projector's belongs to the rest of the model.
  tensors.expectNoOthers(new RegExp(`^(?!${name}\\.)`));
  const laidOut = lines && newline && { newline, mostTiles: lines.mostTiles };
  return { projector: { squares, ...norms, layers, activation, lines: laidOut }, languageWidth };
}

function transposedMap(tensor: StoredTensor): Affine['weight'] {
  const [inputs = 0, outputs = 0] = tensor.shape;
  return computed(tensor.name, 'matrix', [outputs, inputs], () => transposed(tensor.read(), inputs, outputs));
}

/** Gemma's norms store what their factors have above 1. */
function takeRmsNorm(tensors: NamedTensors, name: string, width: number, eps: number): RmsNorm {
  const above = tensors.take(name, [width]);
  return { gamma: computed(above.name, 'vector', [width], () => above.read().map((value) => 1 + value)), eps };
}
