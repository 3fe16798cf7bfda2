'use strict';
// What npm runs when somebody installs the package: takes the addon of the platform package (@qavit/linux-x64) where there is one that
// loads, else builds it from source with the node-gyp that npm carries. A git clone is left to scripts/setup.js.
const { spawnSync } = require('node:child_process');
const { existsSync, rmSync } = require('node:fs');
const path = require('node:path');
const { lacking } = require('./toolchain.js');

const root = path.join(__dirname, '..');
/** Of whoever called npm, which runs this script in the package's folder. */
const named = process.env.QAVIT_ADDON && path.resolve(process.env.INIT_CWD || '.', process.env.QAVIT_ADDON);
const platform = `${process.platform}-${process.arch}`;
const say = (line) => process.stderr.write(`qavit: ${line}\n`);

/** Why the addon cannot be loaded, as lib/binding/load.ts says it; undefined where it can. In a process of its own: a damaged file may end it. */
function whyNot() {
  const load = path.join(root, 'dist', 'lib', 'binding', 'load.js');
  const { status, signal, stderr } = spawnSync(
    process.execPath,
    [
      '-e',
      `try { require(${JSON.stringify(load)}).loadAddon() } catch (error) { console.error(error.message); process.exit(1) }`,
    ],
    { cwd: root, encoding: 'utf8', env: { ...process.env, ...(named && { QAVIT_ADDON: named }) } },
  );
  return status === 0 ? undefined : stderr.trim() || `it ended with ${signal ?? status}`;
}

/** npm, pnpm and yarn tell where theirs is, or have put it on the path. */
function nodeGyp() {
  const own = process.env.npm_config_node_gyp;
  return own && existsSync(own) ? [process.execPath, own] : ['node-gyp'];
}

/** Headers that came with this Node.js need no download. A folder that the user's configuration names counts more. */
function headers() {
  if (process.env.npm_config_nodedir || process.env.npm_package_config_node_gyp_nodedir) return [];
  const prefix = path.join(path.dirname(process.execPath), '..');
  const there = ['common.gypi', 'config.gypi', 'node_api.h'].every((name) =>
    existsSync(path.join(prefix, 'include', 'node', name)),
  );
  return there ? [`--nodedir=${prefix}`] : [];
}

/** Whether the addon was built and loads. */
function build() {
  const [command, ...before] = nodeGyp();
  const args = [...before, 'rebuild', '--release', '--jobs=max', `--directory=${root}`, ...headers()];
  // npm shows what an install script writes where it fails, or with --foreground-scripts.
  const { status, error } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32' && before.length === 0,
  });
  if (error?.code === 'ENOENT') say('node-gyp was not found; it comes with npm: run `npm rebuild qavit`');
  if (status !== 0) return false;
  // Ten times the addon's size.
  for (const name of ['obj.target', 'obj', '.deps']) {
    rmSync(path.join(root, 'build', 'Release', name), { recursive: true, force: true });
  }
  const reason = whyNot();
  if (reason) say(reason);
  return reason === undefined;
}

function main() {
  if (existsSync(path.join(root, 'tsconfig.json'))) return 0;
  if (!['', '0', undefined].includes(process.env.QAVIT_SKIP_BUILD)) {
    say('QAVIT_SKIP_BUILD is set: neither looking for the native addon nor building it');
    return 0;
  }
  const reason = whyNot();
  if (reason === undefined) return 0;
  if (named) {
    // What is built would not be looked at.
    say(reason);
    return 1;
  }
  say(`${reason.replace(/\. [^.]*\.$/, '')}. Building it from source, which takes minutes`);
  const missing = lacking();
  if (missing.length === 0 && build()) return 0;
  say(
    `the native addon for ${platform} was not built${missing.length > 0 ? `: there is no ${missing.join(', no ')}` : ', for the reason above'}`,
  );
  say(
    'a build needs a C++20 compiler (GCC 11, Clang 14 or newer), make and Python 3: apt-get install g++ make python3; dnf install gcc-c++ make python3; apk add g++ make python3; xcode-select --install',
  );
  say(
    'then: npm rebuild qavit. QAVIT_SKIP_BUILD=1 installs without the addon, QAVIT_ADDON=/path/to/qavit.node names one',
  );
  return 1;
}

process.exitCode = main();
