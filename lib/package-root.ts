import path from 'node:path';

/** The package's root: this file is dist/lib/package-root.js. */
export const packageRoot = path.join(__dirname, '../..');
