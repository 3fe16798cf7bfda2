import type { Size } from '../image/geometry';
import type { VisionModel } from '../models/qavit';

/**
 * Bytes of position tables to keep, f32. Of 256 patches in a tower of width 768 there are 170 in them, more sizes than pictures of at most
 * as many patches come in, apart from the rarest: 139 for proportions up to 1:40, and some 25 more where pixels are rounded.
 */
const KEPT_BYTES = 128 * 2 ** 20;

/** A model for pictures of each size that comes; those used least recently make room. */
export class Sizes {
  /** By key, those used last at the end. */
  private readonly sized = new Map<string, VisionModel>();
  private bytes = 0;

  /** @param forget told what made room, after which nothing is taken from it any more */
  constructor(
    private readonly model: VisionModel,
    private readonly forget: (key: string, sized: VisionModel) => void,
    private readonly keptBytes = KEPT_BYTES,
  ) {}

  /** @param size of a picture, in whole patches; the model's own unless given */
  at(size: Size = this.model.image): VisionModel {
    if (isSame(size, this.model.image)) return this.model;
    const key = keyOf(size);
    const found = this.sized.get(key);
    if (found) {
      this.sized.delete(key);
      this.sized.set(key, found);
      return found;
    }
    const made = { ...this.model, ...this.model.at(size) };
    this.sized.set(key, made);
    this.bytes += bytesOf(made);
    this.makeRoom(made);
    return made;
  }

  private makeRoom(made: VisionModel): void {
    for (const [key, sized] of this.sized) {
      if (this.bytes <= this.keptBytes || sized === made) return;
      this.sized.delete(key);
      this.bytes -= bytesOf(sized);
      this.forget(key, sized);
    }
  }
}

export function keyOf({ width, height }: Size): string {
  return `${width} x ${height}`;
}

export function isSame(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

function bytesOf({ tables }: VisionModel): number {
  return tables.reduce((sum, { shape }) => sum + shape.reduce((product, n) => product * n, 4), 0);
}
