import { QAViTError } from '../errors';
import type { Size } from '../image/geometry';
import type { Engine } from './engine';
import type { Picture } from './types';

/**
 * Rows a run should have: on the CPU more cost the same time a row (measured from 512 to 4096), and memory. A GPU needs many to have
 * work for all of its multiprocessors: these are 28 pictures of ViT-L/14-336.
 */
const ROWS = { cpu: 2048, reference: 2048, cuda: 16000 };

/**
 * Pictures of one size, or tiles of some, that go through the tower together at most.
 *
 * @param size the model's own unless given
 */
export function samplesPerRun(engine: Engine, size?: Size): number {
  return Math.max(1, Math.ceil(ROWS[engine.device.info.kind] / engine.at(size).tokens));
}

/** @returns the pixels of pictures of one size behind each other */
export function joined(pictures: readonly Pick<Picture, 'data'>[]): Uint8Array {
  const [first] = pictures;
  if (!first) throw new QAViTError('ERR_ARGUMENT', 'Expected a picture for look but received none');
  if (pictures.length === 1) return first.data;
  const all = new Uint8Array(first.data.length * pictures.length);
  pictures.forEach(({ data }, i) => all.set(data, i * first.data.length));
  return all;
}
