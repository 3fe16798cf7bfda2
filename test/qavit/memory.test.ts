import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

describe('loading a model', () => {
  const at = temporaryFolder();

  // Real widths, half of the layers fused. What is read and folded on the way does not grow with the number of layers, and is around
  // 100 MB; a second copy of the weights would not fit under the limit.
  it('needs little more resident memory than its weights, folds included', () => {
    const size = { width: 768, heads: 12, layers: 4, mlp: 3072, patch: 16, image: 224 };
    writeRandomModel(at('small'));
    writeRandomModel(at('large'), { ...size, questionWidth: 768, languageWidth: 768 });
    const script = path.join(__dirname, '..', 'support', 'load-peak.js');
    for (const dtype of ['f32', 'bf16']) {
      const said = execFileSync(process.execPath, [script, at('small'), at('large'), dtype], { encoding: 'utf8' });
      const { peak, weights } = JSON.parse(said) as { peak: number; weights: number };
      expect(weights, dtype).to.be.above(60e6);
      expect(peak, dtype).to.be.above(weights / 2);
      expect(peak, dtype).to.be.below(1.3 * weights + 150e6);
    }
  }).timeout(180_000);
});
