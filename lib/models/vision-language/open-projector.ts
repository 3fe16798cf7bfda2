import type { Projector } from '../../blocks/projector';
import { NamedTensors, stored, type TensorSource } from '../../weights';
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
  { name, maps, bias, activation, pixelShuffle, norm, lines }: ProjectorShape,
  source: TensorSource,
  width: number,
): { projector: Projector; languageWidth: number } {
  const first = `${name}.${maps[0]}.weight`;
  const tensors = NamedTensors.behindPrefix(source, first);
  const [languageWidth = 0] = tensors.shapeOf(first);
  const inputs = width * (pixelShuffle ?? 1) ** 2;
  const layers = maps.map((map, i) => {
    const size = { out: languageWidth, inputs: i === 0 ? inputs : languageWidth, bias };
    const affine = takeAffine(tensors, `${name}.${map}`, size);
    return { weight: stored(affine.weight, 'matrix'), bias: affine.bias && stored(affine.bias, 'vector') };
  });
  const newline = lines && tensors.take(lines.newline, [languageWidth]).read();
  const ownNorm = norm && takeNorm(tensors, `${name}.${norm.name}`, inputs, norm.eps);
  // Whatever is not the projector's belongs to the rest of the model.
  tensors.expectNoOthers(new RegExp(`^(?!${name}\\.)`));
  const laidOut = lines && newline && { newline, mostTiles: lines.mostTiles };
  return { projector: { pixelShuffle, norm: ownNorm, layers, activation, lines: laidOut }, languageWidth };
}
