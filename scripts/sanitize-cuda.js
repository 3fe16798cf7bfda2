'use strict';
// compute-sanitizer's memcheck, racecheck and synccheck over a tower of two layers on this machine's GPU (test/support/two-layers.ts);
// `npm run test:cuda` ends with it. Where there is no compute-sanitizer it says so at length and passes. `--emulated` runs the program
// alone, on the emulation of the kernels, to see that it works.
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join, resolve } = require('node:path');

const root = join(__dirname, '..');
const emulated = process.argv.includes('--emulated');
const built = emulated ? ['build', 'emulated'] : ['build-cuda', 'Release'];
const addon = process.env.QAVIT_ADDON ? resolve(process.env.QAVIT_ADDON) : join(root, ...built, 'qavit.node');
const program = [process.execPath, join('dist', 'test', 'support', 'two-layers.js')];

/** Where the toolkit is, if not on PATH. */
function findSanitizer() {
  const places = ['compute-sanitizer', '/usr/local/cuda/bin/compute-sanitizer', '/opt/cuda/bin/compute-sanitizer'];
  return places.find((place) => spawnSync(place, ['--version'], { stdio: 'ignore' }).status === 0);
}

function run(what, [command, ...args]) {
  console.error(`== ${what}`);
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, QAVIT_ADDON: addon },
  });
  if (status === 0) return;
  console.error(`== ${what}: FAILED (exit ${status})`);
  process.exitCode = 1;
}

function skip(why) {
  const line = '='.repeat(100);
  console.error(`${line}\nSKIPPED: no kernel was run under compute-sanitizer. ${why}\n${line}`);
}

if (emulated) {
  run('the two-layer tower, emulated and without compute-sanitizer', program);
} else if (!existsSync(addon)) {
  skip(`There is no ${addon}: run npm run build:cuda`);
} else {
  const sanitizer = findSanitizer();
  if (!sanitizer) skip('There is none on PATH or in /usr/local/cuda/bin; it comes with the CUDA toolkit.');
  else {
    for (const tool of ['memcheck', 'racecheck', 'synccheck']) {
      // The driver's own probing fails now and then by design; what our calls return is checked by the addon.
      const options = ['--tool', tool, '--error-exitcode', '9', '--report-api-errors', 'no'];
      run(`compute-sanitizer ${tool}`, [sanitizer, ...options, ...program]);
    }
  }
}
