'use strict';
// dist/lib for whoever takes the package from here: a clone after npm ci, an installation from a git address, npm pack.
// With --clean nothing is left of modules that are gone.
const { spawnSync } = require('node:child_process');
const { existsSync, rmSync } = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');

if (!existsSync(tsc)) {
  // npm ci --omit=dev, in an image that takes dist/ from elsewhere.
  process.stderr.write('qavit: TypeScript is not installed; dist/ is left as it is\n');
} else {
  for (const built of process.argv.includes('--clean') ? ['lib', 'tsconfig.tsbuildinfo'] : []) {
    rmSync(path.join(root, 'dist', built), { recursive: true, force: true });
  }
  process.exitCode = spawnSync(process.execPath, [tsc, '-p', root], { stdio: 'inherit' }).status ?? 1;
}
