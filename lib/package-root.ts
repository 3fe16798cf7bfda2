import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expectedButFound } from './errors';

/** The package's root: this file is dist/lib/package-root.js. */
export const packageRoot = path.join(__dirname, '../..');

/**
 * As package.json says it.
 *
 * @throws QAViTError ERR_UNSUPPORTED in a bundle, which has neither the addon nor the other files and programs that belong to this code
 */
export function packageVersion(): string {
  const { name, version } = manifest();
  if (name === 'qavit' && version !== undefined) return version;
  const what =
    'its own files beside it (leave qavit out of bundles: --external:qavit for esbuild, externals for webpack)';
  throw expectedButFound('ERR_UNSUPPORTED', what, 'qavit', `none in ${packageRoot}`);
}

function manifest(): { name?: string; version?: string } {
  try {
    return JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as {
      name: string;
      version: string;
    };
  } catch {
    return {};
  }
}

/** A file or folder that the package brings. */
export function ownPath(...parts: string[]): string {
  packageVersion();
  return path.join(packageRoot, ...parts);
}
