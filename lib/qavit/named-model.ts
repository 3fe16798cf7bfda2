import { existsSync, statSync } from 'node:fs';
import { expectedButFound } from '../errors';
import { type HubName, parseHubName, type Role } from '../hub';
import { ownPath } from '../package-root';

/** Models that the package itself brings, by name. */
const EMBEDDED = ['demo'];

/** What a text stands for where a model is asked for. */
export type NamedModel =
  | { readonly folder: string }
  /** `cacheOnly` for what is most likely a folder's name with a slip in it: private names shall not be asked for at a hub. */
  | { readonly name: HubName; readonly cacheOnly: boolean };

/**
 * A folder that is there, an embedded model, or else a model at a hub. No server is asked and no cache looked into.
 *
 * @throws QAViTError ERR_ARGUMENT for what can be none of them
 */
export function nameModel(given: string, role: Role): NamedModel {
  const explicit = given.startsWith('hf:');
  if (!explicit && isFolder(given)) return { folder: given };
  if (role === 'model' && EMBEDDED.includes(given)) return { folder: ownPath('models', given) };
  if (!explicit && existsSync(given)) throw notThere(given, role, 'which is a file');
  const name = parseHubName(given);
  if (!name) throw notThere(given, role, absence(given));
  const [organisation = ''] = name.repo.split('/');
  return { name, cacheOnly: !explicit && isFolder(organisation) };
}

/** @param found what is wrong with it */
function notThere(given: string, role: Role, found: string): Error {
  const [what, where] =
    role === 'model'
      ? [`a model folder, org/name at a hub, or one of ${EMBEDDED.join(', ')}`, 'QAViT.load']
      : ['a folder, or org/name at a hub,', role];
  return expectedButFound('ERR_ARGUMENT', what, where, `${JSON.stringify(given)}, ${found}`);
}

/** For `cacheOnly` names that the cache does not have. */
export function notCached({ repo, given }: HubName, role: Role): Error {
  const [organisation] = repo.split('/');
  return notThere(given, role, `which does not exist in the folder ${organisation}; hf:${given} is the one at a hub`);
}

export function isFolder(name: string): boolean {
  // No path holds a zero byte, and Node throws an error of its own for one.
  if (name.includes('\0')) return false;
  try {
    return statSync(name).isDirectory();
  } catch {
    return false;
  }
}

/** Why something is taken for absent: a folder that may not be entered, a circle of links and a name too long are no proof. */
function absence(name: string): string {
  try {
    statSync(name);
  } catch (error) {
    const { code = '', syscall } = error as NodeJS.ErrnoException;
    if (syscall !== undefined && !['ENOENT', 'ENOTDIR'].includes(code)) return `which cannot be read: ${code}`;
  }
  return 'which does not exist';
}
