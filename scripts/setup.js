'use strict';
// Everything a fresh clone needs, once: dependencies, the native addon, the compiled TypeScript. Each step is skipped when it is
// already up to date, so `npm test` and `npm run demo` can call it every time. With --emulation also the addon whose device 'cuda' is an
// emulation, for tests.
const { spawnSync } = require('node:child_process');
const { existsSync, statSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '..');

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

if (newer(join(root, 'package-lock.json'), join(root, 'node_modules', '.package-lock.json'))) {
  run('installing dependencies (npm ci)', 'npm', ['ci', '--no-audit', '--no-fund']);
}
run('building the native addon', 'npm', ['run', '--silent', 'build:native']);
if (process.argv.includes('--emulation')) {
  run('building the addon with emulated CUDA', 'npm', ['run', '--silent', 'build:emulated']);
}
run('compiling TypeScript', 'npm', ['run', '--silent', 'build:ts']);
