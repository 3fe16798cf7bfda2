import { readFile } from 'node:fs/promises';
import { CliError, EXIT } from '../errors';
import { existingFile } from '../files';

/**
 * Keys from a file (one a line; empty lines and those that begin with # do not count) and from QAVIT_API_KEYS, separated by commas. No flag
 * takes them: what stands on a command line can be read by everybody on the machine.
 */
export async function readApiKeys(file: string | undefined): Promise<string[]> {
  const fromEnvironment = (process.env.QAVIT_API_KEYS ?? '').split(',');
  const fromFile = file === undefined ? [] : await readLines(file);
  const keys = [...fromFile, ...fromEnvironment]
    .map((key) => key.trim())
    .filter((key) => key !== '' && !key.startsWith('#'));
  // A file without keys would let everybody in where somebody meant to keep them out.
  if (file !== undefined && keys.length === 0) {
    throw new CliError(`Expected keys in ${JSON.stringify(file)} but received none`, 'write one a line.', EXIT.usage);
  }
  return keys;
}

async function readLines(file: string): Promise<string[]> {
  const text = await readFile(await existingFile('a file of API keys', file), 'utf8');
  return text.split(/\r?\n/);
}
