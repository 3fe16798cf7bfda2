import { types } from 'node:util';
import { expectedButFound } from '../errors';
import type { ImageInput, Tiles } from '../image';
import type { RawImage } from '../image/source';
import { LookedPicture } from './pictures';
import type { Looked, Picture, QuestionFeatures, QuestionInput } from './types';

/**
 * Copies of the arrays of one call, made before it returns: their owner may write to them from then on, as one does who decodes a film
 * into one buffer. What was one object stays one, since equal objects are computed once.
 */
export class Snapshots {
  private readonly copies = new Map<object, object>();

  image(image: ImageInput): ImageInput;
  image(image: ImageInput | Looked): ImageInput | Looked;
  image(image: ImageInput | Looked): ImageInput | Looked {
    if (types.isUint8Array(image)) return this.once(image, (bytes) => copyOf(bytes, 'image'));
    if (!isRaw(image)) return image;
    // Field by field: those of a class may be accessors, which spreading leaves behind.
    return this.once(image, ({ data, width, height, channels }): RawImage => {
      return { data: copyOf(data, 'image.data'), width, height, channels };
    });
  }

  /** @param picture that was checked */
  picture(picture: Picture): Picture {
    return this.once(picture, ({ data, width, height, tiles }) => ({
      data: copyOf(data, 'data of a picture'),
      width,
      height,
      ...(tiles && { tiles: copyOfTiles(tiles) }),
    }));
  }

  /** @param question that was checked */
  question(question: QuestionInput): QuestionInput {
    if (question === null || typeof question === 'string') return question;
    return this.once(question, ({ data, shape: [tokens, width] }): QuestionFeatures => {
      return { data: copyOf(data, 'data of question'), shape: [tokens, width] };
    });
  }

  private once<T extends object>(given: T, copy: (given: T) => T): T {
    const known = this.copies.get(given) as T | undefined;
    if (known) return known;
    const made = copy(given);
    this.copies.set(given, made);
    return made;
  }
}

function isRaw(image: unknown): image is RawImage {
  if (typeof image !== 'object' || image === null || image instanceof LookedPicture) return false;
  return types.isUint8Array((image as { data?: unknown }).data);
}

function copyOfTiles({ rows, columns, data, picture }: Tiles): Tiles {
  const fitted = picture && { picture: { width: picture.width, height: picture.height } };
  return { rows, columns, data: copyOf(data, 'tiles.data of a picture'), ...fitted };
}

/** Also of a Buffer, whose own slice() is a view. */
function copyOf<T extends Uint8Array | Float32Array>(array: T, where: string): T {
  try {
    return new (types.isFloat32Array(array) ? Float32Array : Uint8Array)(array) as T;
  } catch (error) {
    if (error instanceof RangeError)
      throw expectedButFound('ERR_OUT_OF_MEMORY', `${array.byteLength} bytes for a copy`, where, error.message);
    throw expectedButFound('ERR_ARGUMENT', 'an array over attached memory', where, 'one whose ArrayBuffer is detached');
  }
}
