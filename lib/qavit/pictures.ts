import { digest } from '../weights';
import type { DeviceTensor } from '../binding/native';
import { expectedButFound } from '../errors';
import { type ImageInput, type ImageLimits, type PreprocessorConfig, prepareImage, shapesOf } from '../image';
import type { Size } from '../image/geometry';
import type { Engine } from './engine';
import { isSame } from './sizes';
import type { Looked, Picture } from './types';

/** Decodes, resizes, crops and cuts a picture for a tower that takes pictures of this size, unless each has a shape of its own. */
export async function preparePicture(
  image: ImageInput,
  config: PreprocessorConfig,
  size: Size,
  signal: AbortSignal,
  limits?: ImageLimits,
): Promise<Picture> {
  const picture = await prepareImage(image, config, { signal, limits });
  if (isSame(picture, size) || shapesOf(config)) return picture;
  const { width, height } = size;
  const found = `${picture.width} x ${picture.height} (preprocessor_config.json neither crops nor resizes to that)`;
  throw expectedButFound('ERR_SHAPE', `${width} x ${height} pixels`, 'the prepared picture', found);
}

/** Names the pixels. */
export function digestOf({ data, width, height, tiles }: Picture): string {
  // As many pixels of one colour are another picture in another shape.
  if (!tiles) return digest([data, `${width} x ${height}`]);
  const { rows, columns, picture } = tiles;
  // Which rows are a border's follows from the picture's own size.
  const fitted = picture ? [`of ${picture.width} x ${picture.height}`] : [];
  return digest([data, tiles.data, `${rows} x ${columns}`, ...fitted]);
}

/** What look() gives out. */
export class LookedPicture implements Looked {
  private whole: DeviceTensor | undefined;
  /** Of tiles, row by row, [n, M, C] each. */
  private tiled: DeviceTensor[] = [];
  /** Of the pixels: hashed once, for however many questions, and before anybody can draw on them. */
  readonly digest: string;
  /** Of the picture, and of each of its tiles, whatever anybody writes into `picture`. */
  readonly size: Size;

  constructor(
    /** The engine whose device holds the tensor. */
    readonly engine: Engine,
    readonly picture: Picture,
    whole: DeviceTensor,
  ) {
    this.whole = whole;
    this.digest = digestOf(picture);
    this.size = { width: picture.width, height: picture.height };
  }

  get bytes(): number {
    return [...this.tiled, ...(this.whole ? [this.whole] : [])].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Of the whole picture, [1, M, C]. */
  stream(): DeviceTensor {
    if (this.whole) return this.whole;
    throw expectedButFound('ERR_ARGUMENT', 'a picture that was looked at', 'image', 'one that was disposed');
  }

  /** Of its tiles, row by row, as many together as were looked at together, [n, M, C] each. */
  tiles(): readonly DeviceTensor[] {
    return this.tiled;
  }

  /** @param stream of the tiles that follow those it has, [n, M, C]; its own from now on */
  addTiles(stream: DeviceTensor): void {
    this.tiled.push(stream);
  }

  dispose(): void {
    for (const stream of [...this.tiled, this.whole]) stream?.dispose();
    this.whole = undefined;
    this.tiled = [];
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * A picture that this model looked at, or undefined if `image` is still to be prepared.
 *
 * @throws QAViTError ERR_ARGUMENT where another model looked at it
 */
export function alreadyLooked(image: unknown, engine: Engine): LookedPicture | undefined {
  if (!(image instanceof LookedPicture)) return undefined;
  if (image.engine === engine) return image;
  throw expectedButFound('ERR_ARGUMENT', 'a picture that this model looked at', 'image', "another model's");
}
