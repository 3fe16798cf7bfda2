import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

describe('scripts/sanitize-cuda.js', function () {
  const at = temporaryFolder();
  before(function () {
    // Its compute-sanitizer is a shell script here.
    if (process.platform === 'win32') this.skip();
  });

  /** Runs it with a compute-sanitizer that does this for each tool. */
  function sanitize(name: string, body: string) {
    mkdirSync(at(name));
    const tool = at(name, 'compute-sanitizer');
    writeFileSync(tool, `#!/bin/sh\n[ "$1" = --version ] && exit 0\n${body}\n`);
    chmodSync(tool, 0o755);
    const env = { ...process.env, PATH: `${at(name)}:${process.env.PATH}`, QAVIT_ADDON: tool };
    const script = path.join(root, 'scripts', 'sanitize-cuda.js');
    return spawnSync(process.execPath, [script, '--seconds', '2'], { encoding: 'utf8', env, timeout: 50_000 });
  }

  it('runs each tool over the program, which it tells how long it has', () => {
    const { status, stdout, stderr } = sanitize('fine', 'echo "$@"');
    expect(status, stderr).to.equal(0);
    const lines = stdout.trim().split('\n');
    expect(lines.map((line) => /^--tool (\w+) .*two-layers\.js 2$/.exec(line)?.[1])).to.deep.equal([
      'memcheck',
      'racecheck',
      'synccheck',
    ]);
    for (const tool of ['memcheck', 'racecheck', 'synccheck'])
      expect(stderr).to.match(new RegExp(`${tool}: passed in`));
  });

  it('goes on after a tool that finds something and one whose program runs out of time, and says both at the end', () => {
    const { status, stdout, stderr } = sanitize(
      'late',
      'case "$2" in memcheck) echo found; exit 9;; racecheck) echo so far; sleep 2.2; exit 0;; esac',
    );
    expect(status).to.equal(1);
    expect(stdout).to.equal('found\nso far\n');
    const [first, second, third] = stderr.trim().split('\n').slice(-3);
    expect(first).to.match(/memcheck: FAILED \(exit 9\)$/);
    expect(second).to.match(/racecheck: NOT FINISHED in 2 s/);
    expect(third).to.match(/synccheck: passed/);
  });
});
