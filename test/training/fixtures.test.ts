import { expect } from 'chai';
import { existsSync } from 'node:fs';
import { requirePython, runTraining } from '../support/python';
import { temporaryFolder } from '../support/temporary';

describe('fixtures of real sizes', () => {
  const at = temporaryFolder();

  it('are not begun with options that cannot be', async function () {
    requirePython(this, 'torch', 'transformers', 'safetensors', 'tqdm', 'tokenizers');
    for (const [option, value, text] of [
      ['--batch', '0', 'Expected a positive number for --batch but received 0'],
      ['--integration-point', 'middle', "invalid choice: 'middle'"],
    ] as const) {
      const args = ['--out', at('models'), '--config', 'vit-b-32', option, value];
      const said = await runTraining('fixtures.parity', ...args).then(
        () => '',
        (error: Error) => error.message,
      );
      expect(said).to.include(text);
    }
    expect(existsSync(at('models'))).to.equal(false);
  });
});
