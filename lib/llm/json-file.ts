import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { expected, expectedButFound } from '../errors';

/** Typed access to the fields of a JSON object; every error names the file and the field. Null means absent, as in transformers. */
export class JsonFile {
  private constructor(
    private readonly file: string,
    private readonly fields: Readonly<Record<string, unknown>>,
    private readonly prefix = '',
  ) {}

  static async read(file: string): Promise<JsonFile> {
    return new JsonFile(file, asObject(await parse(file), file));
  }

  /** The file, or one without fields where it does not exist. */
  static async readIfThere(file: string): Promise<JsonFile> {
    try {
      return await JsonFile.read(file);
    } catch (error) {
      if (isMissing((error as Error).cause)) return new JsonFile(file, {});
      throw error;
    }
  }

  /** A nested object, without fields where it is absent. */
  object(key: string): JsonFile {
    const value = this.value(key) ?? {};
    return new JsonFile(this.file, asObject(value, this.where(key)), `${this.prefix}${key}.`);
  }

  value(key: string): unknown {
    return Object.hasOwn(this.fields, key) ? (this.fields[key] ?? undefined) : undefined;
  }

  where(key: string): string {
    return `${this.prefix}${key} of ${this.file}`;
  }

  flag(key: string): boolean {
    const value = this.value(key) ?? false;
    if (typeof value !== 'boolean') throw expected('ERR_FORMAT', 'true or false', this.where(key), value);
    return value;
  }

  text(key: string): string | undefined {
    const value = this.value(key);
    if (value === undefined || typeof value === 'string') return value;
    throw expected('ERR_FORMAT', 'a string', this.where(key), value);
  }

  /** A non-negative integer: a size or a token id. */
  integer(key: string): number | undefined {
    const value = this.value(key);
    if (value === undefined || isNatural(value)) return value;
    throw expected('ERR_FORMAT', 'a non-negative integer', this.where(key), value);
  }

  /** One integer or a list of them. */
  integers(key: string): number[] | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.every(isNatural)) return list;
    throw expected('ERR_FORMAT', 'a non-negative integer or a list of them', this.where(key), value);
  }
}

async function parse(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    const found = isMissing(cause) ? 'no such file' : `"${(cause as Error).message}"`;
    const error = expectedButFound(
      'ERR_FORMAT',
      path.basename(file),
      `the language model in ${path.dirname(file)}`,
      found,
    );
    error.cause = cause;
    throw error;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw expectedButFound('ERR_FORMAT', 'JSON', file, `"${(error as Error).message}"`);
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function asObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw expected('ERR_FORMAT', 'a JSON object', where, value);
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
