/** Run by scripts/parity.js, which makes the towers: real sizes do not fit in the repository. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { checkTowerCase } from '../support/check-tower';
import { readTowerFixture } from '../support/towers';

const folder = process.env.QAVIT_PARITY;
if (folder === undefined) throw new Error('Expected the folder of the towers in QAVIT_PARITY: run npm run test:parity');

describe('real-size towers against PyTorch', () => {
  // A language model's folder, which real-t5.ts looks at, has none.
  for (const name of readdirSync(folder).filter((each) => existsSync(path.join(folder, each, 'cases.json')))) {
    const fixture = readTowerFixture(path.join(folder, name));
    for (const dtype of ['f32', 'bf16'] as const) {
      for (const entry of fixture.cases) {
        it(`${fixture.name} in ${dtype}: ${entry.name}`, () => checkTowerCase(fixture, entry, 'cpu', dtype));
      }
    }
  }
});
