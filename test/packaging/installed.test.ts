import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/paths';
import { ADDON, InstalledPackage, type Ran } from './installed';

const CONSUMER = path.join(root, 'test', 'packaging', 'consumer');
const MANIFEST = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  version: string;
  exports: Record<string, string | { types: string; default: string }>;
};

function succeeded({ status, stdout, stderr }: Ran): string {
  expect(status, `${stdout}\n${stderr}`).to.equal(0);
  return stdout;
}

describe('installed package', function () {
  this.timeout(180_000);
  let installed: InstalledPackage;
  before(() => {
    installed = new InstalledPackage();
    writeFileSync(installed.at('package.json'), '{ "name": "consumer", "private": true }\n');
  });
  after(() => installed[Symbol.dispose]());

  describe('its tarball', () => {
    it('holds what runs, what it is built from, what its messages refer to, and nothing else', () => {
      const files = installed.packed.files.map((file) => file.path);
      const kinds = new Set(
        files.map((file) => /^(dist\/lib|assets|docs|models\/demo|native)\//.exec(file)?.[1] ?? file),
      );
      expect([...kinds].sort()).to.deep.equal([
        'CHANGELOG.md',
        'CMakeLists.txt',
        'LICENSE',
        'README.md',
        'assets',
        'binding.gyp',
        'dist/lib',
        'docs',
        'models/demo',
        'native',
        'package.json',
        'scripts/install.js',
        'scripts/toolchain.js',
      ]);
      expect(files.filter((file) => /\.(map|node|o|tsbuildinfo|test\.js)$|tsconfig|(^|\/)\./.test(file))).to.deep.equal(
        [],
      );
      expect(files).to.include.members([
        'assets/page/index.html',
        'docs/runtimes.md',
        'models/demo/language/tokenizer.json',
        'native/sources.txt',
      ]);
    });

    it('holds nothing that a working tree only happens to have', function () {
      const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' });
      if (status !== 0) this.skip();
      const tracked = new Set(stdout.split('\0'));
      const files = installed.packed.files.map((file) => file.path).filter((file) => !file.startsWith('dist/'));
      expect(files.filter((file) => !tracked.has(file))).to.deep.equal([]);
    });

    it('has every compiled module with its types', () => {
      const files = new Set(installed.packed.files.map((file) => file.path));
      const sources = readdirSync(path.join(root, 'lib'), { recursive: true, encoding: 'utf8' });
      for (const source of sources.filter((name) => name.endsWith('.ts'))) {
        const compiled = `dist/lib/${source.split(path.sep).join('/').slice(0, -'.ts'.length)}`;
        expect(files.has(`${compiled}.js`), compiled).to.equal(true);
        expect(files.has(`${compiled}.d.ts`), compiled).to.equal(true);
      }
      for (const entry of Object.values(MANIFEST.exports)) {
        for (const file of typeof entry === 'string' ? [entry] : Object.values(entry)) {
          expect(files.has(file.replace('./', '')), file).to.equal(true);
        }
      }
    });

    it('is no larger than what is known to be in it', () => {
      // 5.3 MB of the demo model, which does not compress; the rest, sources and compiled, is text.
      expect(installed.packed.size).to.be.below(6.5e6);
      expect(installed.packed.unpackedSize).to.be.below(9e6);
    });
  });

  describe('without an addon', () => {
    it('says what to do', () => {
      const { status, stderr } = installed.run(process.execPath, [
        installed.at('node_modules', 'qavit', 'dist/lib/cli/main.js'),
        'info',
      ]);
      expect(status).to.equal(1);
      expect(stderr).to.match(
        /^qavit: Expected the native addon .*@qavit\/\S+ \(not installed\)\. Build it with 'npm rebuild qavit'/,
      );
    });

    it('installs all the same where QAVIT_SKIP_BUILD is set, and says so', () => {
      const { status, stdout, stderr } = installed.rebuild({ QAVIT_SKIP_BUILD: '1' });
      expect(status, stderr).to.equal(0);
      expect(stdout + stderr).to.contain('QAVIT_SKIP_BUILD is set');
    });

    it('fails to install where there is no compiler, and says what is missing before anything is built', () => {
      const { status, stdout, stderr } = installed.rebuild({ CXX: installed.at('no-compiler') });
      expect(status).to.not.equal(0);
      expect(stdout + stderr)
        .to.match(/was not built: there is no C\+\+ compiler \(CXX=.*no-compiler\)/)
        .and.contain('then: npm rebuild qavit');
      expect(existsSync(installed.at('node_modules', 'qavit', 'build'))).to.equal(false);
    });
  });

  describe('with an addon that QAVIT_ADDON names', () => {
    it('builds nothing, and takes the path as from where npm was called', () => {
      copyFileSync(ADDON, installed.at('own.node'));
      succeeded(installed.rebuild({ QAVIT_ADDON: 'own.node', CXX: installed.at('no-compiler') }));
      const { status, stdout, stderr } = installed.rebuild({ QAVIT_ADDON: 'other.node' });
      expect(status).to.not.equal(0);
      expect(stdout + stderr)
        .to.contain(`tried ${installed.at('other.node')} (no such file). Correct or unset QAVIT_ADDON.`)
        .and.not.contain('Building it from source');
      expect(existsSync(installed.at('node_modules', 'qavit', 'build'))).to.equal(false);
    });
  });

  describe('with the package of its platform', () => {
    before(() => {
      const { files } = installed.addPlatformPackage();
      expect(files.map((file) => file.path).sort()).to.deep.equal([
        'LICENSE',
        'README.md',
        'package.json',
        'qavit.node',
      ]);
      for (const name of readdirSync(CONSUMER)) copyFileSync(path.join(CONSUMER, name), installed.at(name));
    });

    it('builds nothing', () => {
      succeeded(installed.rebuild({ CXX: installed.at('no-compiler') }));
      expect(existsSync(installed.at('node_modules', 'qavit', 'build'))).to.equal(false);
    });

    it('is required and imported by every entry, with what package.json declares and no more', () => {
      const required = JSON.parse(succeeded(installed.run(process.execPath, ['entries.cjs']))) as Record<
        string,
        string[]
      >;
      const imported = JSON.parse(succeeded(installed.run(process.execPath, ['entries.mjs']))) as Record<
        string,
        string[]
      >;
      expect(imported).to.deep.equal(required);
      const entries = Object.keys(MANIFEST.exports).filter((entry) => entry !== './package.json');
      expect(Object.keys(required)).to.deep.equal(entries.map((entry) => entry.replace('.', 'qavit')).sort());
    });

    it('runs as a command: its version, and the demo with every answer right but those that are known to be wrong', () => {
      expect(succeeded(installed.run('npx', ['--no-install', 'qavit', '--version']))).to.equal(`${MANIFEST.version}\n`);
      const demo = JSON.parse(
        succeeded(installed.run('npx', ['--no-install', 'qavit', 'demo', '--dtype', 'f32', '--json'])),
      ) as {
        image: string;
        out: string;
        answers: { question: string; answer: string; truth: string }[];
        right: number;
      };
      expect(demo.image).to.contain(path.join('node_modules', 'qavit', 'models', 'demo', 'samples'));
      expect(demo.answers[0]).to.deep.equal({ question: 'what digit is on the red square?', answer: '8', truth: '8' });
      expect(demo.right).to.be.at.least(demo.answers.length - 1);
      expect(demo.out).to.equal(installed.at('shapes.attention.png'));
      expect(existsSync(demo.out)).to.equal(true);
    });

    for (const [module, moduleResolution] of [
      ['node16', 'node16'],
      ['esnext', 'bundler'],
      // What TypeScript 5 takes for CommonJS unless told otherwise; it does not read "exports".
      ['commonjs', 'node10'],
    ] as const) {
      it(`type-checks a program with moduleResolution ${moduleResolution}`, () => {
        const compilerOptions = { module, moduleResolution, target: 'es2022', lib: ['es2022'] };
        const strict = { strict: true, types: ['node'], skipLibCheck: false, esModuleInterop: true };
        const emitted = { declaration: true, emitDeclarationOnly: true, outDir: 'types' };
        const options = { ...compilerOptions, ...strict, ...emitted, ignoreDeprecations: '6.0' };
        writeFileSync(
          installed.at('tsconfig.json'),
          JSON.stringify({ compilerOptions: options, files: ['program.ts'] }),
        );
        const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
        expect(succeeded(installed.run(process.execPath, [tsc, '-p', 'tsconfig.json']))).to.equal('');
      });
    }

    it('refuses the addon of another version', () => {
      const manifest = installed.at('node_modules', 'qavit', 'package.json');
      const text = readFileSync(manifest, 'utf8');
      writeFileSync(manifest, text.replace(`"version": "${MANIFEST.version}"`, '"version": "9.9.9"'));
      const { status, stderr } = installed.run('npx', ['--no-install', 'qavit', 'info']);
      writeFileSync(manifest, text);
      expect(status).to.equal(1);
      expect(stderr).to.contain(`(it is version ${MANIFEST.version}, this package is 9.9.9)`);
    });
  });
});
