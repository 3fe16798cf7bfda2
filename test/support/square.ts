import type { Size } from '../../lib/image/geometry';

/** Of pictures, pixels. */
export function square(side: number): Size {
  return { width: side, height: side };
}
