import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Under its name only when it is whole: a run that is ended while it writes leaves what earlier ones found. */
export function writeWhole(file: string, content: string): void {
  mkdirSync(path.dirname(file), { recursive: true });
  const unfinished = `${file}.part`;
  writeFileSync(unfinished, content);
  renameSync(unfinished, file);
}
