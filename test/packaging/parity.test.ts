import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { root } from '../support/paths';

describe('scripts/parity.js', () => {
  it('refuses flags that it does not know, rather than test less than was meant', () => {
    for (const flag of ['--wohle', '-w', '--whole=yes']) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(root, 'scripts', 'parity.js'), flag], {
        encoding: 'utf8',
        timeout: 20_000,
      });
      expect({ status, stdout }, flag).to.deep.equal({ status: 2, stdout: '' });
      expect(stderr, flag).to.match(/^\[qavit\] .*('--wohle'|'-w'|--whole)/);
    }
  });
});
