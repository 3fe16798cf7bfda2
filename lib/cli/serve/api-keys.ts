import { readFile } from 'node:fs/promises';
import { CliError, EXIT } from '../errors';
import { isKey } from '../../serve/security/api-keys';
import { existingFile } from '../files';

/**
 * Keys from a file (one a line; empty lines and those that begin with # do not count) and from QAVIT_API_KEYS (separated by commas; none
 * where it is empty). No flag takes them: what stands on a command line can be read by everybody on the machine.
 */
export async function readApiKeys(file: string | undefined): Promise<string[]> {
  const { QAVIT_API_KEYS: variable = '' } = process.env;
  const fromEnvironment = keysOf(variable.split(','));
  const fromFile = file === undefined ? [] : await readLines(file);
  const keys = [...fromFile, ...fromEnvironment];
  expectKeys(fromFile, JSON.stringify(file));
  expectKeys(fromEnvironment, 'QAVIT_API_KEYS');
  // Without keys everybody would be let in where somebody meant to keep them out.
  if (file !== undefined && keys.length === 0) {
    throw new CliError(`Expected keys in ${JSON.stringify(file)} but received none`, 'write one a line.', EXIT.usage);
  }
  if (variable !== '' && fromEnvironment.length === 0) {
    throw new CliError('Expected keys in QAVIT_API_KEYS but received none', 'separate them by commas.', EXIT.usage);
  }
  return keys;
}

async function readLines(file: string): Promise<string[]> {
  const text = await readFile(await existingFile('a file of API keys', file), 'utf8');
  return keysOf(text.split(/\r?\n/)).filter((line) => !line.startsWith('#'));
}

/** Says which it is, and not what: it may be a key but for a slip. */
function expectKeys(keys: readonly string[], where: string): void {
  const wrong = keys.findIndex((key) => !isKey(key));
  if (wrong < 0) return;
  const message = `Expected keys of 1 to 512 visible ASCII characters in ${where} but received another as key ${wrong + 1}`;
  throw new CliError(message, 'there are no blanks in a key; a comment is a line of its own.', EXIT.usage);
}

function keysOf(parts: readonly string[]): string[] {
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}
