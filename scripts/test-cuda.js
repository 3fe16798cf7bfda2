'use strict';
// `npm run test:cuda`: a small tower, to see that nothing hangs, and the suites of test/cuda on this machine's GPU, with the addon of
// `npm run build:cuda`, each in a process of its own, then compute-sanitizer (sanitize-cuda.js; not with --no-sanitizer). Where a kernel goes
// wrong, test/diagnosis says which and how. Where there is no GPU that works, it says so at length
// and passes. `--emulated` runs the suites on the emulation of the kernels instead, as `npm test` does. Further arguments go to mocha.
const { spawnSync } = require('node:child_process');
const { existsSync, readdirSync } = require('node:fs');
const { join, resolve } = require('node:path');

const root = join(__dirname, '..');
const emulated = process.argv.includes('--emulated');
const sanitized = !emulated && !process.argv.includes('--no-sanitizer');
const rest = process.argv.slice(2).filter((argument) => !['--emulated', '--no-sanitizer'].includes(argument));
const built = emulated ? ['build', 'emulated'] : ['build-cuda', 'Release'];
const addon = process.env.QAVIT_ADDON ? resolve(process.env.QAVIT_ADDON) : join(root, ...built, 'qavit.node');

/** Why nothing can be tested here, or undefined. */
function obstacle() {
  if (!existsSync(addon)) return `there is no ${addon}: run npm run ${emulated ? 'build:emulated' : 'build:cuda'}`;
  const { Device } = require(addon);
  try {
    new Device({ kind: 'cuda' }).close();
  } catch (error) {
    return error.message;
  }
}

const why = obstacle();
if (why !== undefined) {
  const line = '='.repeat(100);
  console.error(`${line}\nSKIPPED: no CUDA test ran on a GPU. ${why}\n${line}`);
  // Skipping is an answer where a GPU is looked for; the emulation runs everywhere or is broken.
  process.exit(emulated ? 1 : 0);
}
const env = { ...process.env, QAVIT_ADDON: addon };

/**
 * Whether a tower of two layers gets through the GPU: a kernel that hangs would hold up every test behind it, and ends with its process
 * only.
 */
function getsThrough() {
  const program = [join('dist', 'test', 'support', 'two-layers.js')];
  const { status, signal } = spawnSync(process.execPath, program, {
    cwd: root,
    stdio: 'inherit',
    env,
    timeout: 90_000,
    killSignal: 'SIGKILL',
  });
  if (status === 0) return true;
  console.error(`FAILED: a tower of two layers ${signal ? 'hangs' : `ends with ${status}`}`);
  return false;
}

/** Once: which operations go wrong by themselves, and how. */
let diagnosed = emulated;
function diagnose() {
  if (diagnosed) return;
  diagnosed = true;
  spawnSync(process.execPath, [join('dist', 'test', 'diagnosis', 'main.js')], { cwd: root, stdio: 'inherit', env });
}

let failed = false;
if (!emulated && !getsThrough()) {
  failed = true;
  diagnose();
  // First without overlapping kernels, then also without those made for Hopper.
  const works = ['serial', 'portable'].find((choice) => {
    env.QAVIT_CUDA_KERNELS = choice;
    return getsThrough();
  });
  if (!works) process.exit(1);
  console.error(`All that follows runs with QAVIT_CUDA_KERNELS=${works}`);
}

/**
 * Runs one suite, or on the emulation all of them, and says whether it passed. What hangs on a GPU ends with its process only, and a fault
 * there takes the GPU from its process: neither shall cost the suites behind it. Every test is named as it ends, with what went wrong, which
 * mocha's other reporters keep for the end.
 */
function passes(suite) {
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  const onGpu = ['--reporter', 'tap', '--require', join('dist', 'test', 'diagnosis', 'end-on-hang.js')];
  const how = emulated ? ['--reporter', 'dot'] : onGpu;
  const args = [mocha, '--no-config', '--timeout', '120000', ...how, ...rest, join(folder, suite)];
  const limit = emulated ? {} : { timeout: 300_000, killSignal: 'SIGKILL' };
  const { status, signal } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env, ...limit });
  if (signal) console.error(`FAILED: ${suite} was ended by ${signal}: it hangs, or took five minutes`);
  return status === 0;
}

/** What all others are made of: where these fail, the others can only say so again. */
const KERNELS = ['operations.test.js', 'hopper.test.js'];

const folder = join('dist', 'test', 'cuda');
const found = readdirSync(join(root, folder)).filter((name) => name.endsWith('.test.js') && !KERNELS.includes(name));
const suites = emulated ? ['*.test.js'] : [...KERNELS, ...found];
const failures = suites.filter((suite) => {
  const passed = passes(suite);
  if (!passed && KERNELS.includes(suite)) diagnose();
  return !passed;
});
if (failures.length > 0) console.error(`FAILED: ${failures.join(', ')}`);
else if (!emulated) console.error(`All ${suites.length} suites passed`);
process.exitCode = failed || failures.length > 0 ? 1 : 0;
if (sanitized) {
  const after = spawnSync(process.execPath, [join(__dirname, 'sanitize-cuda.js')], {
    cwd: root,
    stdio: 'inherit',
    env,
  });
  process.exitCode ||= after.status ?? 1;
}
