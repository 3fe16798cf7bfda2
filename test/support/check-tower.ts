import { expect } from 'chai';
import { QAViT } from '../../lib';
import { relativeError } from './compare';
import { encodeCase } from './encode-case';
import { loadingOf, type TowerCase, type TowerFixture } from './towers';

/** Relative Frobenius errors against float64. */
const F32_ERROR = 1e-5;
const BF16_ERROR = 1.2e-2;
/** f16 has three more bits than bf16. */
const F16_ERROR = BF16_ERROR / 8;
/** PyTorch's own bf16 is the yardstick; the quarter is for another order of roundings. */
const OVER_PYTORCH = 1.25;

/** Holds the whole forward pass to PyTorch's results for one case. */
export async function checkTowerCase(
  fixture: TowerFixture,
  entry: TowerCase,
  device: 'cpu' | 'reference' | 'cuda',
  dtype: 'f32' | 'bf16' | 'f16',
): Promise<void> {
  const { folders, options } = loadingOf(fixture, entry);
  await using model = await QAViT.load(folders, { device, dtype, ...options });
  for (const output of ['tower', 'projected'] as const) {
    const wanted = entry[output];
    if (!wanted) continue;
    const error = relativeError(await encodeCase(model, entry, output), wanted.data);
    const bf16Error = Math.min(BF16_ERROR, OVER_PYTORCH * (entry.bf16[output] ?? 0));
    expect(error, output).to.be.below({ f32: F32_ERROR, bf16: bf16Error, f16: F16_ERROR }[dtype]);
  }
}
