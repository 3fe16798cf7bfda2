import { expected } from './errors';
import { isJsonObject, type JsonObject, readJsonObject, readJsonObjectIfThere } from './json-file';

/** Typed access to the fields of a JSON object; every error names the file and the field. Null means absent, as in transformers. */
export class JsonFields {
  protected constructor(
    private readonly file: string,
    private readonly fields: JsonObject,
    private readonly prefix = '',
    private readonly defaults: JsonObject = {},
  ) {}

  static async read(file: string): Promise<JsonFields> {
    return new JsonFields(file, await readJsonObject(file));
  }

  /** Undefined where the file does not exist. */
  static async readIfThere(file: string): Promise<JsonFields | undefined> {
    const fields = await readJsonObjectIfThere(file);
    return fields && new JsonFields(file, fields);
  }

  /** A nested object, without fields where it is absent. */
  object(key: string): JsonFields {
    const value = this.value(key) ?? {};
    return new JsonFields(this.file, asObject(value, this.where(key)), `${this.prefix}${key}.`);
  }

  /** The same fields, and for those that are absent these. */
  over(defaults: JsonObject): JsonFields {
    return new JsonFields(this.file, this.fields, this.prefix, defaults);
  }

  value(key: string): unknown {
    const own = Object.hasOwn(this.fields, key) ? this.fields[key] : undefined;
    return own ?? (Object.hasOwn(this.defaults, key) ? this.defaults[key] : undefined) ?? undefined;
  }

  where(key: string): string {
    return `${this.prefix}${key} of ${this.file}`;
  }

  flag(key: string, absent = false): boolean {
    const value = this.value(key) ?? absent;
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

  positive(key: string): number | undefined {
    const value = this.value(key);
    if (value === undefined || (typeof value === 'number' && value > 0)) return value;
    throw expected('ERR_FORMAT', 'a positive number', this.where(key), value);
  }

  /** One integer or a list of them. */
  integers(key: string): number[] | undefined {
    const value = this.value(key);
    if (value === undefined) return undefined;
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.every(isNatural)) return list;
    throw expected('ERR_FORMAT', 'a non-negative integer or a list of them', this.where(key), value);
  }

  /** A list of lists of integers, none of them empty. */
  integerLists(key: string): number[][] | undefined {
    const value = this.value(key);
    const isSequence = (list: unknown): list is number[] =>
      Array.isArray(list) && list.length > 0 && list.every(isNatural);
    if (value === undefined || (Array.isArray(value) && value.every(isSequence))) return value;
    throw expected('ERR_FORMAT', 'a list of lists of non-negative integers', this.where(key), value);
  }
}

/** @throws QAViTError ERR_FORMAT */
export function asObject(value: unknown, where: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw expected('ERR_FORMAT', 'a JSON object', where, value);
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
