import path from 'node:path';

/** The repository: this file runs as dist/test/support/paths.js. */
export const root = path.join(__dirname, '..', '..', '..');

/** A file that tests read: `fixture('ops', 'linear.json')`. */
export const fixture = (...parts: string[]): string => path.join(root, 'test', 'fixtures', ...parts);
