import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

describe('diagnosis: tests that hang', () => {
  const at = temporaryFolder();

  it('end their process, after what failed before them was told', () => {
    const file = at('some.test.js');
    writeFileSync(
      file,
      `describe('kernels', () => {
        it('pass', () => undefined);
        it('fail', () => { throw new Error('these words'); });
        it('hang', () => new Promise(() => setInterval(() => undefined, 1000)));
        it('wait', () => undefined);
      });`,
    );
    const mocha = path.join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
    const hook = path.join(__dirname, 'end-on-hang.js');
    const args = ['--no-config', '--require', hook, '--timeout', '300', '--reporter', 'tap', file];
    const { stdout, stderr, status } = spawnSync(process.execPath, [mocha, ...args], { encoding: 'utf8' });
    expect(status).to.not.equal(0);
    expect(stdout).to.match(/^ok 1 kernels pass\nnot ok 2 kernels fail\n {2}these words$/m);
    expect(stdout).to.match(/^not ok 3 kernels hang$/m);
    expect(stdout).to.not.include('wait');
    expect(stderr).to.include('HANGS: kernels hang');
  });
});
