import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { devNull, tmpdir } from 'node:os';
import path from 'node:path';
import { root } from '../support/paths';

interface Packed {
  filename: string;
  size: number;
  unpackedSize: number;
  files: { path: string; size: number; mode: number }[];
}

export interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>;
};

/** The addon that the tests run on. */
export const ADDON = process.env.QAVIT_ADDON || path.join(root, 'build', 'Release', 'qavit.node');

/** The environment of whoever installs a package: nothing of this repository's or this user's, and no way to a registry. */
function plainEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(npm_|QAVIT_|NODE_ENV$|INIT_CWD$)/i.test(name));
  const npm = { npm_config_offline: 'true', npm_config_update_notifier: 'false', npm_config_userconfig: devNull };
  return { ...Object.fromEntries(own), ...npm };
}

/**
 * A project that has installed qavit from its tarball: what npm would put into node_modules, with links in the place of downloads. Only
 * what package.json declares is there, so that what is not declared is not found.
 */
export class InstalledPackage implements Disposable {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'qavit-installed-'));
  /** What is in qavit's tarball. */
  readonly packed: Packed;

  constructor() {
    this.packed = this.unpack(root, 'qavit');
    for (const name of [...Object.keys(dependencies), '@types/node']) this.link(name);
  }

  /** A package of the repository's node_modules. */
  private link(name: string): void {
    const at = this.at('node_modules', name);
    mkdirSync(path.dirname(at), { recursive: true });
    symlinkSync(path.join(root, 'node_modules', name), at, 'junction');
  }

  /** Packs a folder as npm does and unpacks it where npm would install it. Scripts are left out: dist/ is what the tests run on. */
  private unpack(folder: string, name: string): Packed {
    const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', this.folder, folder];
    const env = plainEnvironment();
    const output = execFileSync('npm', args, { encoding: 'utf8', env, stdio: ['ignore', 'pipe', 'ignore'] });
    // A list, or since npm 11 a record by name.
    const [packed] = Object.values(JSON.parse(output) as Record<string, Packed>);
    const at = this.at('node_modules', name);
    mkdirSync(at, { recursive: true });
    execFileSync('tar', ['-xzf', path.join(this.folder, packed!.filename), '--strip-components=1', '-C', at]);
    return packed!;
  }

  at(...parts: string[]): string {
    return path.join(this.folder, ...parts);
  }

  run(command: string, args: readonly string[], env: Record<string, string> = {}): Ran {
    return spawnSync(command, args, {
      cwd: this.folder,
      encoding: 'utf8',
      env: { ...plainEnvironment(), ...env },
      maxBuffer: 2 ** 26,
    });
  }

  /** The package of this platform, from the addon that the tests run on. */
  addPlatformPackage(): Packed {
    const out = this.at('packages');
    const script = path.join(root, 'scripts', 'platform-package.js');
    const { status, stdout, stderr } = this.run(process.execPath, [script, '--local', '--addon', ADDON, '--out', out]);
    if (status !== 0) throw new Error(stderr);
    return this.unpack(stdout.trim(), `@qavit/${process.platform}-${process.arch}`);
  }

  /** What npm runs after it has unpacked a package: its install script, and links to its commands. */
  rebuild(env: Record<string, string> = {}): Ran {
    return this.run('npm', ['rebuild', '--foreground-scripts', 'qavit'], env);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}
