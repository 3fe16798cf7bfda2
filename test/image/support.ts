import { expect } from 'chai';

import { QAViTError, type QAViTErrorCode } from '../../lib/errors';
import { parsePreprocessorConfig, type PreprocessorConfig, type RawImage } from '../../lib/image';

/** A config under which prepareImage only decodes. */
export const DECODE_ONLY: PreprocessorConfig = parsePreprocessorConfig(
  { do_resize: false, do_center_crop: false },
  'preprocessor_config.json',
);

/** Reproducible bytes that no filter or compressor finds easy. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; ++i) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

export function noiseImage(width: number, height: number, seed = 1): RawImage {
  return { data: noise(width * height * 3, seed), width, height, channels: 3 };
}

/** Runs `work`, which must fail with a QAViTError of this code, and returns it for a look at its message. */
export async function rejection(code: QAViTErrorCode, work: () => unknown): Promise<QAViTError> {
  let failure: unknown;
  try {
    await work();
  } catch (error) {
    failure = error;
  }
  if (!(failure instanceof QAViTError)) throw new Error(`expected a QAViTError, got ${String(failure)}`);
  expect(failure.code, failure.message).to.equal(code);
  expect(failure.message).to.match(/^Expected .+ for .+ but received.+/);
  return failure;
}
