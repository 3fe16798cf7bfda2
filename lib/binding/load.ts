import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { QAViTError } from '../errors';
import { packageRoot, packageVersion } from '../package-root';
import type { NativeAddon } from './native';

/** A package is looked for as from here. */
const { resolve } = createRequire(__filename);

/** Where an addon may be, best first. `QAVIT_ADDON` names one and rules out the others. */
function candidates(): string[] {
  const forced = process.env.QAVIT_ADDON;
  if (forced) return [path.resolve(forced)];
  return [path.join(packageRoot, 'build', 'Release', 'qavit.node'), `@qavit/${process.platform}-${process.arch}`];
}

/**
 * Not by require(), which gives everybody one and the same: of two copies of this module (a test runner's contexts, a package installed
 * twice) each sets the class of the errors that its addon makes.
 */
function open(file: string): NativeAddon {
  const module = { exports: {} };
  process.dlopen(module, path.toNamespacedPath(file));
  return module.exports as NativeAddon;
}

/** Loads one candidate; the reason as a string where that is impossible. */
function tryLoad(candidate: string, wanted: string): NativeAddon | string {
  if (path.isAbsolute(candidate) && !existsSync(candidate)) return 'no such file';
  let addon: NativeAddon;
  try {
    addon = open(path.isAbsolute(candidate) ? candidate : resolve(candidate));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'MODULE_NOT_FOUND' ? 'not installed' : (message.split('\n')[0] ?? 'failed');
  }
  return addon.version === wanted ? addon : `it is version ${addon.version}, this package is ${wanted}`;
}

/** A clone has its sources' configuration; a package has its installation. */
function howToBuild(): string {
  return existsSync(path.join(packageRoot, 'tsconfig.json'))
    ? `Build it with 'npm run setup' in ${packageRoot}; that needs a C++20 compiler and CMake.`
    : "Build it with 'npm rebuild qavit'; that needs a C++20 compiler, make and Python 3.";
}

let loaded: NativeAddon | undefined;

/**
 * The native addon, loaded once in this thread.
 *
 * @throws {QAViTError} ERR_UNSUPPORTED when there is none that fits; the message says what was tried and what to do.
 */
export function loadAddon(): NativeAddon {
  if (loaded) return loaded;
  const version = packageVersion();
  const failures: string[] = [];
  for (const candidate of candidates()) {
    const result = tryLoad(candidate, version);
    if (typeof result !== 'string') {
      result.setErrorClass(QAViTError as new (code: string, message: string) => Error);
      loaded = result;
      return loaded;
    }
    failures.push(`${candidate} (${result})`);
  }
  const fix = process.env.QAVIT_ADDON ? 'Correct or unset QAVIT_ADDON.' : howToBuild();
  throw new QAViTError(
    'ERR_UNSUPPORTED',
    `Expected the native addon for ${process.platform}-${process.arch} but received none: tried ${failures.join(', ')}. ${fix}`,
  );
}
