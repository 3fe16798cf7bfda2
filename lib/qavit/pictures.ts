import { digest } from '../weights';
import type { DeviceTensor } from '../binding/native';
import { expectedButFound } from '../errors';
import { type ImageInput, type ImageLimits, type PreprocessorConfig, prepareImage } from '../image';
import type { Engine } from './engine';
import type { Looked, Picture } from './types';

/** Decodes, resizes and crops a picture for a tower that takes squares of `side` pixels. */
export async function preparePicture(
  image: ImageInput,
  config: PreprocessorConfig,
  side: number,
  signal: AbortSignal,
  limits?: ImageLimits,
): Promise<Picture> {
  const picture = await prepareImage(image, config, { signal, limits });
  if (picture.width === side && picture.height === side) return picture;
  const found = `${picture.width} x ${picture.height} (preprocessor_config.json neither crops nor resizes to a square)`;
  throw expectedButFound('ERR_SHAPE', `${side} x ${side} pixels`, 'the prepared picture', found);
}

/** What look() gives out. */
export class LookedPicture implements Looked {
  private tensor: DeviceTensor | undefined;
  /** Of the pixels: hashed once, for however many questions, and before anybody can draw on them. */
  readonly digest: string;

  constructor(
    /** The engine whose device holds the tensor. */
    readonly engine: Engine,
    readonly picture: Picture,
    tensor: DeviceTensor,
  ) {
    this.tensor = tensor;
    this.digest = digest([picture.data]);
  }

  get bytes(): number {
    return this.tensor?.bytes ?? 0;
  }

  /** [1, M, C] */
  stream(): DeviceTensor {
    if (this.tensor) return this.tensor;
    throw expectedButFound('ERR_ARGUMENT', 'a picture that was looked at', 'image', 'one that was disposed');
  }

  dispose(): void {
    this.tensor?.dispose();
    this.tensor = undefined;
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
