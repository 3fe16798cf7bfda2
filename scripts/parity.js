'use strict';
// `npm run test:parity [-- --if-available] [-- --whole] [-- vit-b-32 ...]`: makes random towers of real sizes with PyTorch and holds the whole
// forward pass to its results, and a random T5 of a real size to its answers. Needs a Python with torch, transformers and
// safetensors (training/requirements.txt); PYTHON chooses one. With --if-available, a machine without it passes. With --whole every
// tower has all of its layers: minutes and up to 20 GB each.
const { spawnSync } = require('node:child_process');
const { mkdtempSync, rmSync } = require('node:fs');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { parseArgs } = require('node:util');

const root = join(__dirname, '..');
const python = process.env.PYTHON || 'python3';
/** What was asked for; a slip in a flag would test less than was meant. */
function parse() {
  const flag = { type: 'boolean', default: false };
  try {
    return parseArgs({ options: { 'if-available': flag, whole: flag }, allowPositionals: true });
  } catch (error) {
    console.error(`[qavit] ${error.message}`);
    process.exit(2);
  }
}

const { values: flags, positionals: named } = parse();
// Two whole towers, of every other family two layers in real widths, and a language model.
const MODELS = [
  'vit-b-32',
  'vit-l-14-336',
  'clip-h-14-laion',
  'siglip-so400m-14-384',
  'siglip2-b-16-naflex',
  'qwen2-vl',
  'qwen3-vl',
  'vit-l-16-google',
  'dinov2-l-14',
  'dinov2-l-14-registers',
  'dinov2-g-14',
  'dinov3-l-16',
  'dinov3-h-16-plus',
  'internvit-300m-448',
  'eva-g-14-blip2',
  'flan-t5-base',
];
const models = named.length > 0 ? named : MODELS;

/** Ends the process where a step fails. */
function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (status === 0) return;
  console.error(`[qavit] '${[command, ...args].join(' ')}' failed${error ? `: ${error.message}` : ''}`);
  process.exitCode = 1;
  throw error ?? new Error(`exit status ${status}`);
}

const modules = 'import torch, transformers, safetensors';
if (spawnSync(python, ['-c', modules], { stdio: 'ignore' }).status !== 0) {
  const how = `pip install -r ${join('training', 'requirements.txt')}, or PYTHON=/path/to/python`;
  console.error(
    `[qavit] Expected Python with torch, transformers and safetensors for the parity test but '${python}' has them not: ${how}`,
  );
  process.exit(flags['if-available'] ? 0 : 1);
}

run(process.execPath, [join(__dirname, 'setup.js')]);
const folder = mkdtempSync(join(tmpdir(), 'qavit-parity-'));
try {
  console.error(`[qavit] making random models and their results with PyTorch: ${models.join(', ')}`);
  const args = ['-m', 'fixtures.parity', '--out', folder, '--config', ...models];
  run(python, flags.whole ? [...args, '--whole'] : args, { cwd: join(root, 'training') });
  const mocha = join(root, 'node_modules', 'mocha', 'bin', 'mocha.js');
  // Ten minutes: a real size in f32 on a slow machine; a hang still ends.
  const suite = [mocha, '--no-config', '--timeout', '600000', join('dist', 'test', 'parity', '*.js')];
  run(process.execPath, suite, { env: { ...process.env, QAVIT_PARITY: folder } });
} catch {
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
