import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { addFingerprint, digest } from '../../lib/weights';
import { openSafetensors } from '../../lib/weights/safetensors';
import { f32, writeSafetensors } from '../support/safetensors-writer';
import { temporaryFolder } from '../support/temporary';

describe('fingerprints', () => {
  const at = temporaryFolder();

  it('tell parts apart that say the same when put together', () => {
    expect(digest(['ab', 'c'])).to.not.equal(digest(['a', 'bc']));
    expect(digest(['ab', Buffer.from('c')])).to.equal(digest(['ab', 'c']));
  });

  it('of a tensor too large to be read look at its first number, its last, and at some between', () => {
    const count = 100_000;
    const fingerprint = (changed?: number): string => {
      const data = new Float32Array(count);
      if (changed !== undefined) data[changed] = 1;
      const file = at('model.safetensors');
      writeSafetensors(file, { a: f32([count], data) });
      const { file: mapped, tensors } = openSafetensors(file);
      const hash = createHash('sha256');
      addFingerprint(hash, tensors);
      mapped.close();
      return hash.digest('hex');
    };
    // Eight blocks of 1024 numbers.
    const blocks = Array.from({ length: 8 }, (_, i) => Math.ceil((i * (count - 1024)) / 7));
    const all = [undefined, ...blocks, count - 1].map(fingerprint);
    expect(new Set(all).size).to.equal(all.length);
  });
});
