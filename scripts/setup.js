'use strict';
// Everything a fresh clone needs, once: dependencies, the native addon, the compiled TypeScript. Each step is skipped when it is
// already up to date, so `npm test` and `npm run demo` can call it every time. With --emulation also the addon whose device 'cuda' is an
// emulation, for tests; that one needs CMake, the other takes node-gyp where there is none.
const { spawnSync } = require('node:child_process');
const { existsSync, statSync } = require('node:fs');
const { join } = require('node:path');
const { lacking } = require('./toolchain.js');

const root = join(__dirname, '..');
const emulation = process.argv.includes('--emulation');

// onnxruntime-node's install script would download a CUDA provider; the CPU library is inside the package.
process.env.ONNXRUNTIME_NODE_INSTALL ||= 'skip';

function stop(line) {
  process.stderr.write(`[qavit] ${line}\n`);
  process.exit(1);
}

function run(what, command, args) {
  process.stderr.write(`[qavit] ${what}\n`);
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    process.stderr.write(
      `[qavit] '${[command, ...args].join(' ')}' failed${result.error ? `: ${result.error.message}` : ''}\n`,
    );
    process.exit(result.status ?? 1);
  }
}

const newer = (file, than) => !existsSync(than) || statSync(file).mtimeMs > statSync(than).mtimeMs;

/** The build system for the addon; stops where something is missing, before anything is downloaded. */
function chooseBuild() {
  const [, wanted] = /(\d+\.\d+)/.exec(require('../package.json').engines.node);
  const [major, minor] = wanted.split('.').map(Number);
  const [ownMajor, ownMinor] = process.versions.node.split('.').map(Number);
  if (ownMajor < major || (ownMajor === major && ownMinor < minor)) {
    stop(`Expected Node.js ${wanted} or newer but received ${process.versions.node}`);
  }
  const missing = lacking(['cmake']);
  if (missing.length === 0) return 'build:native';
  const without = lacking(['make', 'python']);
  if (!emulation && without.length === 0) return 'build:gyp';
  return stop(
    `Expected ${missing.join(' and ')} for building the addon but found none: apt-get install g++ cmake make, dnf install gcc-c++ cmake make, brew install cmake`,
  );
}

const build = chooseBuild();
if (newer(join(root, 'package-lock.json'), join(root, 'node_modules', '.package-lock.json'))) {
  run('installing dependencies (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund']);
}
run('building the native addon, which takes minutes the first time', 'npm', ['run', '--silent', build]);
if (emulation) {
  run('building the addon with emulated CUDA', 'npm', ['run', '--silent', 'build:emulated']);
}
run('compiling TypeScript', 'npm', ['run', '--silent', 'build:ts']);
