import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadAddon } from '../../lib/binding/load';
import { root } from '../support/paths';

const load = path.join(__dirname, '..', '..', 'lib', 'binding', 'load.js');

/** The addon that the tests run on. */
const ADDON = process.env.QAVIT_ADDON || path.join(root, 'build', 'Release', 'qavit.node');

/** What loadAddon() throws in a process with this QAVIT_ADDON: 'code: message'. */
function failure(addon: string, module = load): string {
  const script = `try { require(${JSON.stringify(module)}).loadAddon(); console.log('loaded') } catch (e) { console.log(e.code + ': ' + e.message) }`;
  const env = { ...process.env, QAVIT_ADDON: addon };
  return execFileSync(process.execPath, ['-e', script], { encoding: 'utf8', env }).trim();
}

/** The loader as if it were part of what lies in `folder`. */
function copyLoader(folder: string): string {
  for (const module of ['binding/load.js', 'errors.js', 'package-root.js'])
    cpSync(path.join(path.dirname(load), '..', module), path.join(folder, 'dist', 'lib', module));
  return path.join(folder, 'dist', 'lib', 'binding', 'load.js');
}

describe('native: loading', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'qavit-load-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  it('loads once and has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
    expect(loadAddon()).to.equal(loadAddon());
    expect(loadAddon().version).to.equal(version);
  });

  it('says which file is missing and what to do', () => {
    const missing = path.join(folder, 'missing.node');
    expect(failure(missing)).to.equal(
      `ERR_UNSUPPORTED: Expected the native addon for ${process.platform}-${process.arch} but received none: ` +
        `tried ${missing} (no such file). Correct or unset QAVIT_ADDON.`,
    );
  });

  it('says why a file is no addon', () => {
    const text = path.join(folder, 'text.node');
    writeFileSync(text, 'not a library');
    expect(failure(text)).to.match(/^ERR_UNSUPPORTED: .*text\.node \(.+\)\. Correct or unset QAVIT_ADDON\.$/);
  });

  it('refuses another version', () => {
    const loader = copyLoader(folder);
    writeFileSync(path.join(folder, 'package.json'), '{ "name": "qavit", "version": "9.9.9" }');
    expect(failure(ADDON, loader)).to.match(
      /^ERR_UNSUPPORTED: .*qavit\.node \(it is version \d+\.\d+\.\d+, this package is 9\.9\.9\)/,
    );
  });

  it('says that it cannot be in a bundle, whatever package.json is there', () => {
    const loader = copyLoader(path.join(folder, 'app'));
    for (const manifest of [undefined, '{ "name": "app", "version": "1.0.0" }']) {
      if (manifest) writeFileSync(path.join(folder, 'app', 'package.json'), manifest);
      expect(failure(ADDON, loader)).to.match(
        /^ERR_UNSUPPORTED: Expected its own files .*--external:qavit.* for qavit but received none in .*app/,
      );
    }
  });

  it('lists the code paths of this processor, best first', () => {
    const isas = loadAddon().cpuIsas();
    expect(isas[isas.length - 1]).to.equal('generic');
    const order = ['avx512bf16', 'avx512vnni', 'avx512', 'avx2', 'neonbf16', 'neondot', 'neon', 'generic'];
    expect(isas).to.deep.equal(order.filter((isa) => (isas as string[]).includes(isa)));
  });
});
