import path from 'node:path';

import { expected, expectedButFound } from '../../errors';
import { isJsonObject, type JsonObject, readJsonObjectIfThere, readTextIfThere } from '../../json-file';

/** The longest published ones have about 30,000 characters. */
const MAX_TEMPLATE = 2 ** 18;

/** A folder's chat template, and the texts of special tokens that it may use: `bos_token` and others. */
export interface ChatFiles {
  readonly source: string;
  /** Where it was found, for messages. */
  readonly file: string;
  readonly specials: Readonly<Record<string, string>>;
}

/**
 * The chat template where transformers' processors look for it, in their order, and else the tokenizer's.
 *
 * @returns undefined where the folder has none
 * @throws QAViTError ERR_FORMAT
 */
export async function readChatFiles(dir: string): Promise<ChatFiles | undefined> {
  const tokenizer = await readJsonObjectIfThere(path.join(dir, 'tokenizer_config.json'));
  const found =
    (await inJson(dir, 'processor_config.json')) ??
    (await inJson(dir, 'chat_template.json')) ??
    (await inText(dir, 'chat_template.jinja')) ??
    (await inJson(dir, 'tokenizer_config.json'));
  if (!found) return undefined;
  if (found.source.length > MAX_TEMPLATE) {
    const length = `${found.source.length} characters`;
    throw expectedButFound('ERR_FORMAT', `at most ${MAX_TEMPLATE} characters`, found.file, length);
  }
  const map = await readJsonObjectIfThere(path.join(dir, 'special_tokens_map.json'));
  return { ...found, specials: { ...specialTokens(map), ...specialTokens(tokenizer) } };
}

type Found = Pick<ChatFiles, 'source' | 'file'>;

async function inJson(dir: string, name: string): Promise<Found | undefined> {
  const file = path.join(dir, name);
  const json = await readJsonObjectIfThere(file);
  const template = defaultOf(json?.chat_template);
  if (template === undefined || template === null) return undefined;
  if (typeof template === 'string') return { source: template, file };
  throw expected('ERR_FORMAT', 'a text', `chat_template of ${file}`, template);
}

/** Several templates come by name, or as a list of names and templates. */
function defaultOf(template: unknown): unknown {
  if (isJsonObject(template)) return template.default ?? template;
  if (!Array.isArray(template)) return template;
  const named: unknown = template.find((item) => isJsonObject(item) && item.name === 'default');
  return isJsonObject(named) ? named.template : template;
}

async function inText(dir: string, name: string): Promise<Found | undefined> {
  const file = path.join(dir, name);
  const source = await readTextIfThere(file);
  return source === undefined ? undefined : { source, file };
}

/** `"bos_token": "<s>"`, or an object with the text in `content`. */
function specialTokens(json: JsonObject = {}): Record<string, string> {
  const texts = Object.entries(json).map(([key, value]) => [key, isJsonObject(value) ? value.content : value] as const);
  return Object.fromEntries(
    texts.filter((entry): entry is [string, string] => entry[0].endsWith('_token') && typeof entry[1] === 'string'),
  );
}
