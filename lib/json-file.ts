import type { Stats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { QAViTError, expected, expectedButFound } from './errors';
import { parseJson } from './json-text';

/** Configuration files are a few KB and an index of shards a few MB; what is larger is something else. */
const MAX_JSON_BYTES = 64 * 2 ** 20;

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * The object in a JSON file.
 *
 * @throws QAViTError ERR_FORMAT, naming the file, unless it is readable, of a sensible size and a JSON object
 */
export async function readJsonObject(path: string): Promise<JsonObject> {
  const found = await readJsonObjectIfThere(path);
  if (found) return found;
  throw expectedButFound('ERR_FORMAT', 'a file', path, 'nothing: it does not exist');
}

/** Like readJsonObject(); undefined where the file does not exist. */
export async function readJsonObjectIfThere(path: string): Promise<JsonObject | undefined> {
  const text = await readTextIfThere(path);
  if (text === undefined) return undefined;
  const value = parseJson(text.replace(/^\uFEFF/, ''), 'JSON', path);
  if (isJsonObject(value)) return value;
  throw expected('ERR_FORMAT', 'a JSON object', path, value);
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The text in a file; undefined where it does not exist.
 *
 * @throws QAViTError ERR_FORMAT, naming the file, unless it is readable and of a sensible size
 */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    const stats = await stat(path);
    expectFile(stats, path);
    if (stats.size <= MAX_JSON_BYTES) return await readFile(path, 'utf8');
    throw expectedButFound('ERR_FORMAT', `at most ${MAX_JSON_BYTES} bytes`, path, String(stats.size));
  } catch (error) {
    if (error instanceof QAViTError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw expectedButFound('ERR_FORMAT', 'a file', path, message);
  }
}

/** @throws QAViTError ERR_FORMAT for a pipe or a device, whose reading could block or never end */
function expectFile(stats: Stats, path: string): void {
  if (stats.isFile()) return;
  throw expectedButFound('ERR_FORMAT', 'a file', path, stats.isDirectory() ? 'a folder' : 'a device or pipe');
}
