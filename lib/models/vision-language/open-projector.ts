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
  const { name, maps, squares, lines } = shape;
  const tensors = NamedTensors.behindPrefix(source, weightName(shape, maps[0]));
  const rowWidth = squares?.as === 'one row' ? width * squares.side ** 2 : width;
  let languageWidth = rowWidth;
  const layers = maps.map((map) => {
    const { affine, out } = takeMap(tensors, shape, map, languageWidth);
    languageWidth = out;
    return affine;
  });
  const newline = lines && tensors.take(lines.newline, [languageWidth]).read();
  const norms = takeNorms(tensors, shape, { width, rowWidth });
  // Whatever is not the projector's belongs to the rest of the model.
  tensors.expectNoOthers(new RegExp(`^(?!${name}\\.)`));
  const laidOut = lines && newline && { newline, mostTiles: lines.mostTiles };
  return { projector: { squares, ...norms, layers, activation: shape.activation, lines: laidOut }, languageWidth };
}

function weightName({ name, transposed }: ProjectorShape, map: string): string {
  return `${name}.${map}${transposed ? '' : '.weight'}`;
}

/** How many numbers a map makes is the file's to say: those of the last are as many as the language model's rows have. */
function takeMap(tensors: NamedTensors, shape: ProjectorShape, map: string, inputs: number) {
  const weight = weightName(shape, map);
  const [first = 0, second = 0] = tensors.shapeOf(weight);
  if (shape.transposed)
    return { affine: { weight: transposedMap(tensors.take(weight, [inputs, second])) }, out: second };
  const { weight: matrix, bias } = takeAffine(tensors, `${shape.name}.${map}`, {
    out: first,
    inputs,
    bias: shape.bias,
  });
  const affine: Affine = { weight: stored(matrix, 'matrix'), bias: bias && stored(bias, 'vector') };
  return { affine, out: first };
}

function takeNorms(
  tensors: NamedTensors,
  { name, norm }: ProjectorShape,
  { width, rowWidth }: { width: number; rowWidth: number },
): Pick<Projector, 'towerNorm' | 'norm' | 'rmsNorm'> {
  if (!norm) return {};
  const own = `${name}.${norm.name}`;
  if (norm.kind === 'rms') return { rmsNorm: takeRmsNorm(tensors, `${own}.weight`, rowWidth, norm.eps) };
  if (norm.kind === 'of patches') return { towerNorm: takeNorm(tensors, own, width, norm.eps) };
  return { norm: takeNorm(tensors, own, rowWidth, norm.eps) };
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
