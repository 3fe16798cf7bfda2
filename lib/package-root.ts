import { readFileSync } from 'node:fs';
import path from 'node:path';

/** The package's root: this file is dist/lib/package-root.js. */
export const packageRoot = path.join(__dirname, '../..');

/** As package.json says it. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  return version;
}
