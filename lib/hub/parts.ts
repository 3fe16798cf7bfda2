import path from 'node:path';
import { expected } from '../errors';
import type { JsonObject } from '../json-file';

/** What a whole model's config.json may name folders for. */
export const PARTS = ['tower', 'adapter', 'language', 'questions'] as const;
export type Part = (typeof PARTS)[number];

/**
 * The folder that a whole model's config.json names for a part, relative to the model's own: `./tower/` is `tower`. It lies inside: a
 * downloaded config must not reach out of it, to other folders or to a server.
 *
 * @param file the config.json, for messages
 * @returns undefined where it names none
 * @throws QAViTError ERR_FORMAT
 */
export function partFolder(config: JsonObject, part: Part, file: string): string | undefined {
  const name = config[part];
  if (name === undefined || name === null) return undefined;
  if (typeof name === 'string' && !path.isAbsolute(name) && !/[\\\0]/.test(name)) {
    const steps = path.posix.normalize(name).split('/').filter(Boolean);
    if (steps[0] !== '.' && steps[0] !== '..') return steps.join('/');
  }
  throw expected('ERR_FORMAT', 'the name of a folder in it', `${part} in ${file}`, name);
}
