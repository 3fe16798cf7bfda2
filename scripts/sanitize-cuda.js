'use strict';
// compute-sanitizer's memcheck, racecheck and synccheck over a tower of two layers on this machine's GPU (test/support/two-layers.ts);
// `npm run test:cuda` ends with it. Each tool has --seconds (180); what it said until then counts. Where there is no compute-sanitizer it
// says so at length and passes. `--emulated` runs the program alone, on the emulation of the kernels, to see that it works.
const { spawnSync } = require('node:child_process');
const { existsSync } = require('node:fs');
const { join, resolve } = require('node:path');
const { parseArgs } = require('node:util');

const { values } = parseArgs({
  options: { emulated: { type: 'boolean', default: false }, seconds: { type: 'string', default: '180' } },
});
const { emulated } = values;
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error(`Expected a positive number for --seconds but received '${values.seconds}'`);
/** How long a tool may take to sum up what it found in a program that has ended itself. */
const SUMMING_UP = 20;

const root = join(__dirname, '..');
const built = emulated ? ['build', 'emulated'] : ['build-cuda', 'Release'];
const addon = process.env.QAVIT_ADDON ? resolve(process.env.QAVIT_ADDON) : join(root, ...built, 'qavit.node');
const program = [process.execPath, join('dist', 'test', 'support', 'two-layers.js'), String(seconds)];

/** Where the toolkit is, if not on PATH. */
function findSanitizer() {
  const places = ['compute-sanitizer', '/usr/local/cuda/bin/compute-sanitizer', '/opt/cuda/bin/compute-sanitizer'];
  return places.find((place) => spawnSync(place, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** What became of it, in a word or two. */
function run(what, [command, ...args]) {
  console.error(`== ${what}`);
  const start = Date.now();
  const { status, signal } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, QAVIT_ADDON: addon },
    timeout: (seconds + SUMMING_UP) * 1e3,
    killSignal: 'SIGKILL',
  });
  const took = (Date.now() - start) / 1e3;
  if (status === 0 && took < seconds) return `passed in ${took.toFixed(0)} s`;
  process.exitCode = 1;
  // The tool's own exit code says nothing of a program that did not get to its end.
  if (took >= seconds) return `NOT FINISHED in ${seconds} s: what is said above is what it found until then`;
  return `FAILED (${signal ?? `exit ${status}`})`;
}

function skip(why) {
  const line = '='.repeat(100);
  console.error(`${line}\nSKIPPED: no kernel was run under compute-sanitizer. ${why}\n${line}`);
}

function runAll(programs) {
  const ends = programs.map(([what, command]) => `== ${what}: ${run(what, command)}`);
  console.error(ends.join('\n'));
}

if (emulated) {
  runAll([['the two-layer tower, emulated and without compute-sanitizer', program]]);
} else if (!existsSync(addon)) {
  skip(`There is no ${addon}: run npm run build:cuda`);
} else {
  const sanitizer = findSanitizer();
  if (!sanitizer) skip('There is none on PATH or in /usr/local/cuda/bin; it comes with the CUDA toolkit.');
  else {
    // The driver's own probing fails now and then by design; what our calls return is checked by the addon.
    const options = ['--error-exitcode', '9', '--report-api-errors', 'no'];
    runAll(
      ['memcheck', 'racecheck', 'synccheck'].map((tool) => [
        `compute-sanitizer ${tool}`,
        [sanitizer, '--tool', tool, ...options, ...program],
      ]),
    );
  }
}
