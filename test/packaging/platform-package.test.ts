import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
const ADDON = process.env.QAVIT_ADDON || path.join(root, 'build', 'Release', 'qavit.node');

/** The exit status and what was said. */
function make(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const script = path.join(root, 'scripts', 'platform-package.js');
  return spawnSync(process.execPath, [script, ...args], { encoding: 'utf8' });
}

describe('platform package', () => {
  const at = temporaryFolder();

  it('is installed by machines of one kind alone, and is of the version of the package', () => {
    const { status, stdout, stderr } = make('--local', '--addon', ADDON, '--out', at('packages'));
    expect(status, stderr).to.equal(0);
    expect(stdout).to.equal(`${at('packages', `${process.platform}-${process.arch}`)}\n`);
    const manifest = JSON.parse(readFileSync(path.join(stdout.trim(), 'package.json'), 'utf8')) as Record<
      string,
      unknown
    >;
    expect(manifest).to.include({ name: `@qavit/${process.platform}-${process.arch}`, version, main: 'qavit.node' });
    expect(manifest).to.deep.include({ os: [process.platform], cpu: [process.arch] });
    expect(readFileSync(path.join(stdout.trim(), 'qavit.node')).equals(readFileSync(ADDON))).to.equal(true);
  });

  it('is refused to an addon that needs more than the baseline', function () {
    if (process.platform !== 'linux') this.skip();
    // Linked as compilers do by themselves, unlike npm run build:prebuilt's.
    const { status, stderr } = make('--addon', ADDON, '--out', at('refused'));
    expect(status).to.equal(1);
    expect(stderr).to.match(
      /^Expected an addon that needs glibc 2\.34 alone but received one that needs lib(std)?c\+\+\.so\.\d.*: build it with/,
    );
    expect(existsSync(at('refused'))).to.equal(false);
  });

  it('is refused to what nobody can say of what it needs', function () {
    if (process.platform !== 'linux') this.skip();
    // Of the right version, so that the baseline is asked about.
    writeFileSync(at('script.js'), `module.exports = { version: '${version}' }`);
    const { status, stderr } = make('--addon', at('script.js'), '--out', at('refused'));
    expect(status).to.equal(1);
    expect(stderr).to.match(/^Expected objdump to read .*script\.js but received .*not recognized/);
    expect(existsSync(at('refused'))).to.equal(false);
  });

  it('is refused to what is not there, no addon, or of another version', () => {
    const file = (name: string, content: string): string => {
      writeFileSync(at(name), content);
      return at(name);
    };
    for (const [addon, message] of [
      [at('missing.node'), /which does not exist: run npm run build:prebuilt$/],
      [file('text.node', 'not a library'), /text\.node, which does not load here$/],
      [
        file('other.js', "module.exports = { version: '0.0.0' }"),
        new RegExp(`of version ${version} but received 0\\.0\\.0$`),
      ],
    ] as const) {
      const { status, stderr } = make('--local', '--addon', addon, '--out', at('refused'));
      expect(status).to.equal(1);
      expect(stderr.trim()).to.match(message);
    }
    expect(make('--adon', 'x').stderr).to.match(/Unknown option '--adon'/);
    expect(existsSync(at('refused'))).to.equal(false);
  });
});
