import { createHash, type Hash } from 'node:crypto';
import type { StoredTensor } from './stored-tensor';

/** A tensor of up to this many bytes counts whole. */
const WHOLE_BYTES = 64 * 1024;
/** Of a larger one these many blocks of 4 KiB, evenly spread: training moves every matrix everywhere. */
const BLOCKS = 8;
const BLOCK_BYTES = 4096;

/**
 * Tells apart models whose weights differ, without reading all of them: names, types and shapes of all tensors, small tensors
 * whole, large ones in samples. Good against mix-ups, not against somebody who forges weights.
 */
export function addFingerprint(hash: Hash, tensors: Iterable<StoredTensor>): void {
  for (const { name, storedAs, shape, bytes, offset, strides, file } of tensors) {
    hash.update(`${name} ${storedAs} [${shape.join()}] ${bytes}${strides ? ` by ${strides.join()}` : ''}\n`);
    if (bytes <= WHOLE_BYTES) {
      hash.update(file.read(offset, bytes));
      continue;
    }
    for (let i = 0; i < BLOCKS; i++) {
      const at = Math.floor((i * (bytes - BLOCK_BYTES)) / (BLOCKS - 1)); // the last block ends with the tensor
      hash.update(file.read(offset + at, BLOCK_BYTES));
    }
  }
}

/** sha-256 in hex over parts, each behind its length, so that no two lists of parts look alike. */
export function digest(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${part.length}:`).update(part);
  return hash.digest('hex');
}
