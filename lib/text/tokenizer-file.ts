import { expectedButFound } from '../errors';
import { isJsonObject, type JsonObject } from '../json-file';
import { duplicateKey, parseJson } from '../json-text';
import { faultOfCharsmap } from './charsmap';
import { readExpression } from './regular-expression';

const COMPONENTS = ['normalizer', 'pre_tokenizer', 'post_processor', 'decoder'];

/** Lists of components inside of one. */
const LISTS = new Set(['normalizers', 'pretokenizers', 'processors', 'decoders']);

/** Normalizers that delete no blanks, controls or marks. What has no such name is taken for what its other fields fit. */
const KEEPING = new Set(['NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'Prepend', 'Replace', 'Sequence', 'ByteLevel']);

/**
 * Refuses a `tokenizer.json` that the binding would not throw an error for, but end the process (tokenizers 0.23): when it is loaded, or
 * at some text or token later. What it throws errors for is left to it.
 *
 * @throws QAViTError ERR_FORMAT, naming `file` and what is wrong in it
 */
export function checkTokenizer(text: string, file: string): void {
  const what = 'a Hugging Face tokenizer';
  const json = parseJson(text, what, file);
  if (!isJsonObject(json)) return;
  const reject: Reject = (where, found) => {
    throw expectedButFound('ERR_FORMAT', what, file, `"${where}: ${found}"`);
  };
  // The binding reads both of two normalizers, and keeps the last.
  const twice = duplicateKey(text);
  if (twice !== undefined) reject(shown(twice), 'there twice');
  for (const name of COMPONENTS) if (isGiven(json[name])) checkComponent(json[name], name, reject);
  if (partsOf(json.post_processor).filter((part) => 'single' in part).length > 1) {
    reject('post_processor', 'a template of what another made');
  }
  checkAddedTokens(json, reject);
  if (isJsonObject(json.model)) checkMerges(json.model, reject);
}

type Reject = (where: string, found: string) => never;

function checkComponent(component: unknown, where: string, reject: Reject): void {
  // A list of its fields would be read as one too.
  if (!isJsonObject(component)) return reject(where, 'no object');
  checkValues(component, where, reject);
  if (component.type === 'Precompiled' || 'precompiled_charsmap' in component) {
    const fault = faultOfCharsmap(component.precompiled_charsmap);
    if (fault !== undefined) reject(`precompiled_charsmap of ${where}`, fault);
  }
  if (component.length === 0) reject(`length of ${where}`, '0');
  // From the right end the library strips more than a token has.
  if (isGiven(component.stop) && component.stop !== 0) reject(`stop of ${where}`, `${shown(component.stop)}, not 0`);
  checkPattern(component, where, reject);
  if (isGiven(component.single)) checkTemplate(component, where, reject);
  for (const [name, list] of Object.entries(component)) {
    if (LISTS.has(name) && Array.isArray(list)) list.forEach((part) => checkComponent(part, where, reject));
  }
}

/** Of what splits and replaces. Texts must not be put between characters: their places are looked up behind the end. */
function checkPattern(component: JsonObject, where: string, reject: Reject): void {
  const { pattern, content } = component;
  if (component.prepend === '') reject(`prepend of ${where}`, 'no text');
  if (!isJsonObject(pattern)) return;
  const read = typeof pattern.Regex === 'string' ? readExpression(pattern.Regex) : undefined;
  if (read?.mayExplode) reject(`Regex of ${where}`, `one that may take for ever: ${shown(pattern.Regex)}`);
  if (!isGiven(content)) return;
  if (read?.mayBeEmpty || pattern.String === '') reject(`pattern of ${where}`, 'one that matches no text');
}

/** Numbers and texts that JSON has and the binding's reader does not. */
function checkValues(value: unknown, where: string, reject: Reject): void {
  if (typeof value === 'number' && !Number.isFinite(value)) reject(where, 'a number beyond 64 bits');
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value)) reject(where, 'half of a character');
  if (typeof value !== 'object' || value === null) return;
  for (const [name, part] of Object.entries(value)) {
    checkValues(name, where, reject);
    checkValues(part, where, reject);
  }
}

/** Of a single text. Pairs are never asked for. */
function checkTemplate({ single, special_tokens: tokens }: JsonObject, where: string, reject: Reject): void {
  const parts: unknown[] = Array.isArray(single) ? single : [single];
  for (const part of parts) {
    const { Sequence: text, SpecialToken: token } = isJsonObject(part) ? part : ({} as JsonObject);
    const isText = isJsonObject(text) && text.id === 'A';
    const isToken =
      isJsonObject(token) && typeof token.id === 'string' && isJsonObject(tokens) && Object.hasOwn(tokens, token.id);
    if (!isText && !isToken)
      reject(`single of ${where}`, `${shown(part)}, neither the text A nor one of special_tokens`);
  }
}

/** What merges make must not be longer than the longest token, nor its second half shorter than the prefix that is taken off. */
function checkMerges(model: JsonObject, reject: Reject): void {
  const { vocab, merges, continuing_subword_prefix: prefix } = model;
  if (!isJsonObject(vocab) || !Array.isArray(merges)) return;
  const taken = typeof prefix === 'string' ? Buffer.byteLength(prefix) : 0;
  let longest = 0;
  for (const token in vocab) longest = Math.max(longest, Buffer.byteLength(token));
  for (const merge of merges as unknown[]) {
    const parts: unknown = typeof merge === 'string' && !merge.startsWith('#version') ? merge.split(' ') : merge;
    const [a, b] = Array.isArray(parts) && parts.length === 2 ? (parts as unknown[]) : [];
    if (typeof a !== 'string' || typeof b !== 'string') continue;
    const second = Buffer.byteLength(b) - taken;
    if (second >= 0 && Buffer.byteLength(a) + second <= longest) continue;
    reject('merges of the model', `${shown(merge)} beyond the vocabulary`);
  }
}

/** A token that is looked for in normalized text, and of which that leaves nothing, would be found everywhere, in characters too. */
function checkAddedTokens({ added_tokens: tokens, normalizer }: JsonObject, reject: Reject): void {
  const normalizers = partsOf(normalizer);
  for (const token of Array.isArray(tokens) ? (tokens as unknown[]) : []) {
    if (!isJsonObject(token) || typeof token.content !== 'string' || token.normalized === false) continue;
    const { content } = token;
    if (normalizers.some((part) => mayVanish(content, part))) {
      reject('added_tokens', `${shown(content)}, of which the normalizer leaves nothing`);
    }
  }
}

function mayVanish(token: string, { type, pattern, content }: JsonObject): boolean {
  const keeps = typeof type === 'string' && KEEPING.has(type);
  if (!keeps && /^[\p{Z}\p{C}\p{M}]*$/u.test(token)) return true;
  if (content !== '' || !isJsonObject(pattern)) return false;
  return typeof pattern.String !== 'string' || token.replaceAll(pattern.String, '') === '';
}

/** A component and those inside of it. */
function partsOf(component: unknown): JsonObject[] {
  if (!isJsonObject(component)) return [];
  const lists = Object.entries(component).filter(([name, list]) => LISTS.has(name) && Array.isArray(list));
  return [component, ...lists.flatMap(([, list]) => (list as unknown[]).flatMap(partsOf))];
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

const shown = (value: unknown): string => JSON.stringify(value).slice(0, 80);
