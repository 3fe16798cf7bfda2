import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

interface Setup {
  status: number | null;
  stderr: string;
  /** What npm was asked to run. */
  ran: string[];
}

describe('scripts/setup.js', function () {
  const at = temporaryFolder();
  before(function () {
    // Its programs are shell scripts here.
    if (process.platform === 'win32') this.skip();
  });

  /** Sets a clone up on a machine that has these programs and no others; npm writes down what it is asked to run. */
  function setup(name: string, programs: readonly string[], args: readonly string[] = []): Setup {
    const bin = at(name);
    mkdirSync(bin);
    const log = path.join(bin, 'log');
    writeFileSync(log, '');
    for (const program of [...programs, 'npm']) {
      writeFileSync(path.join(bin, program), program === 'npm' ? `#!/bin/sh\necho "$@" >> '${log}'\n` : '#!/bin/sh\n');
      chmodSync(path.join(bin, program), 0o755);
    }
    const own = Object.entries(process.env).filter(([variable]) => !/^(npm_config_|CXX$|MAKE$|PYTHON$)/.test(variable));
    const env = { ...Object.fromEntries(own), PATH: bin };
    const script = path.join(root, 'scripts', 'setup.js');
    const { status, stderr } = spawnSync(process.execPath, [script, ...args], { encoding: 'utf8', env });
    const ran = readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('run '));
    return { status, stderr, ran: ran.map((line) => line.replace('run --silent ', '')) };
  }

  it('builds with CMake, and with node-gyp where there is none', () => {
    expect(setup('all', ['c++', 'make', 'python3', 'cmake'])).to.deep.include({
      status: 0,
      ran: ['build:native', 'build:ts'],
    });
    expect(setup('no-cmake', ['c++', 'make', 'python3'])).to.deep.include({
      status: 0,
      ran: ['build:gyp', 'build:ts'],
    });
  });

  it('says what is missing before it begins', () => {
    for (const [programs, args, missing] of [
      [['make', 'cmake'], [], 'C++ compiler (c++)'],
      [['c++', 'make'], [], 'CMake'],
      [['c++', 'make', 'python3'], ['--emulation'], 'CMake'],
      [[], [], 'C++ compiler (c++) and CMake'],
    ] as const) {
      const { status, stderr, ran } = setup(`missing-${missing}-${args.join()}`, programs, args);
      expect({ status, ran }).to.deep.equal({ status: 1, ran: [] });
      expect(stderr).to.contain(`Expected ${missing} for building the addon but found none: apt-get install`);
    }
  });
});
