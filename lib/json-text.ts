import { expectedButFound } from './errors';

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
export const OPENING: ReadonlySet<number> = new Set([0x7b, 0x5b]); // { [
export const CLOSING: ReadonlySet<number> = new Set([0x7d, 0x5d]); // } ]

/** Files of models need a tenth of that; what goes through a value by recursion would overflow the stack at some thousand. */
const MAX_LEVELS = 128;

/**
 * A tokenizer of 256,000 tokens takes two millions, an index of 100,000 shards' tensors as many as it has tensors. Parsed, one may take
 * thirty times the two bytes that it needs in the text: this many stay within a few hundred MB.
 */
const MAX_VALUES = 2 ** 22;

/**
 * The value of a JSON text that somebody else wrote: of a bounded depth, and with a bounded number of values.
 *
 * @param what 'JSON', say, for the message
 * @throws QAViTError ERR_FORMAT
 */
export function parseJson(text: string, what: string, where: string): unknown {
  const { levels, values } = measure(text);
  if (levels > MAX_LEVELS) throw tooMuch(`${what} of at most ${MAX_LEVELS} levels`, where);
  if (values > MAX_VALUES) throw tooMuch(`${what} of at most ${MAX_VALUES} values`, where);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw expectedButFound('ERR_FORMAT', what, where, `text that is none: ${(error as Error).message}`);
  }
}

const tooMuch = (what: string, where: string) => expectedButFound('ERR_FORMAT', what, where, 'more');

/** How deep a text's lists and objects lie in each other, and how many values there are, up to the limits; of any text. */
function measure(text: string): { levels: number; values: number } {
  let [level, levels, values] = [0, 0, 0];
  for (let i = 0; i < text.length && levels <= MAX_LEVELS && values <= MAX_VALUES; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) i = endOfString(text, i) - 1;
    else if (char === COMMA) values++;
    else if (OPENING.has(char)) {
      values++;
      levels = Math.max(levels, ++level);
    } else if (CLOSING.has(char)) level--;
  }
  return { levels, values };
}

/** Position behind the string that opens at `start`, or behind the text. */
export function endOfString(json: string, start: number): number {
  let i = start + 1;
  while (i < json.length && json.charCodeAt(i) !== QUOTE) i += json.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i + 1;
}
