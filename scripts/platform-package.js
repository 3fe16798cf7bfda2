'use strict';
// Makes the package of one platform, @qavit/linux-x64 and its like, of an addon that was built: a folder for `npm pack` or `npm publish`.
// What the addon asks of a Linux machine is held to the baseline below (CONTRIBUTING.md, Releasing).
const { execFileSync, spawnSync } = require('node:child_process');
const { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');

const root = path.join(__dirname, '..');
const main = require('../package.json');

/** glibc of Debian 12, Ubuntu 22.04 and RHEL 9 or older than each. */
const GLIBC = [2, 34];
/** What every such machine has. libstdc++ is in the addon: the C++ library of a machine may be older than its C library. */
const LIBRARIES = /^(libc|libm|libpthread|libdl|librt|libgcc_s|ld-linux[-\w]*)\.so\.\d+$/;

const HELP = `Makes the package of this machine's platform of an addon.

  --addon <file>  the addon (default: build-prebuilt/Release/qavit.node, made by npm run build:prebuilt)
  --out <folder>  where the package's folder goes (default: build-prebuilt/packages)
  --local         for machines like this one: take whatever the addon was linked with`;

class Refused extends Error {}

/** What the addon needs of a Linux machine that is not in the baseline. */
function beyondBaseline(addon) {
  const { status, stdout, stderr, error } = spawnSync('objdump', ['-p', addon], { encoding: 'utf8' });
  if (error) throw new Refused(`Expected objdump, of binutils, for reading ${addon} but received ${error.code}`);
  // What it could not read needs nothing by what it says.
  if (status !== 0) throw new Refused(`Expected objdump to read ${addon} but received ${stderr.trim()}`);
  const lines = stdout.split('\n');
  const names = (pattern) => lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
  const libraries = names(/^\s+NEEDED\s+(\S+)$/).filter((name) => !LIBRARIES.test(name));
  const versions = [...new Set(names(/\sGLIBC_(\d+\.\d+(?:\.\d+)?)$/))].filter((version) => {
    const [major, minor] = version.split('.').map(Number);
    return major > GLIBC[0] || (major === GLIBC[0] && minor > GLIBC[1]);
  });
  return [...libraries, ...versions.map((version) => `GLIBC_${version}`)];
}

/** The addon's version, in a process of its own: it may be another machine's. */
function versionOf(addon) {
  const script = 'process.stdout.write(require(process.argv[1]).version)';
  try {
    return execFileSync(process.execPath, ['-e', script, addon], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    throw new Refused(
      `Expected an addon for ${process.platform}-${process.arch} but received ${addon}, which does not load here`,
    );
  }
}

function check(addon, local) {
  // It would have the name of glibc's.
  if (isMusl()) throw new Refused('Expected glibc but received musl: there the addon is built from source');
  if (!existsSync(addon)) {
    throw new Refused(`Expected an addon but received ${addon}, which does not exist: run npm run build:prebuilt`);
  }
  const version = versionOf(addon);
  if (version !== main.version)
    throw new Refused(`Expected an addon of version ${main.version} but received ${version}`);
  const more = isLinux && !local ? beyondBaseline(addon) : [];
  if (more.length > 0) {
    throw new Refused(
      `Expected an addon that needs glibc ${GLIBC.join('.')} alone but received one that needs ${more.join(', ')}: build it with npm run build:prebuilt`,
    );
  }
}

const isLinux = process.platform === 'linux';
/** Where the C library is musl there is no version of glibc to report. */
const isMusl = () => isLinux && process.report.getReport().header.glibcVersionRuntime === undefined;

function manifest(platform) {
  const { version, license, engines } = main;
  return {
    name: `@qavit/${platform}`,
    version,
    description: `The native addon of qavit for ${platform}`,
    license,
    main: 'qavit.node',
    files: ['qavit.node'],
    os: [process.platform],
    cpu: [process.arch],
    ...(isLinux && { libc: ['glibc'] }),
    engines,
    preferUnplugged: true,
  };
}

function make({ addon, out, local }) {
  const platform = `${process.platform}-${process.arch}`;
  check(addon, local);
  const folder = path.join(out, platform);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  copyFileSync(addon, path.join(folder, 'qavit.node'));
  copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'));
  writeFileSync(path.join(folder, 'package.json'), `${JSON.stringify(manifest(platform), undefined, 2)}\n`);
  const text = `# @qavit/${platform}\n\nThe native addon of qavit ${main.version} for ${platform}. qavit takes it where it is installed beside it.\n`;
  writeFileSync(path.join(folder, 'README.md'), text);
  return folder;
}

const options = {
  addon: { type: 'string', default: path.join(root, 'build-prebuilt', 'Release', 'qavit.node') },
  out: { type: 'string', default: path.join(root, 'build-prebuilt', 'packages') },
  local: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
};

try {
  const { values } = parseArgs({ options });
  if (values.help) process.stdout.write(`${HELP}\n`);
  else
    process.stdout.write(`${make({ ...values, addon: path.resolve(values.addon), out: path.resolve(values.out) })}\n`);
} catch (error) {
  if (!(error instanceof Refused) && !String(error.code).startsWith('ERR_PARSE_ARGS')) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
