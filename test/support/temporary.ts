import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Call inside `describe`: a folder of its own that is gone when the block is over. */
export function temporaryFolder(): (...parts: string[]) => string {
  let folder = '';
  before(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'qavit-test-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  return (...parts) => path.join(folder, ...parts);
}
