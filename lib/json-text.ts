import { expectedButFound } from './errors';

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];

const isOpening = (char: number): boolean => char === 0x7b || char === 0x5b; // { [
const isClosing = (char: number): boolean => char === 0x7d || char === 0x5d; // } ]

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
    else if (isOpening(char)) {
      values++;
      levels = Math.max(levels, ++level);
    } else if (isClosing(char)) level--;
  }
  return { levels, values };
}

/**
 * The first key that the outermost object of a JSON text names twice, or undefined. JSON.parse would silently keep the last one, so
 * that two readers could see different tensors in one file.
 *
 * @param json a text that JSON.parse accepts
 */
export function duplicateKey(json: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (isOpening(char)) depth++;
    else if (isClosing(char)) depth--;
    else if (char === QUOTE) {
      // A string is stepped over whole: it may contain braces.
      const end = endOfString(json, i);
      if (depth === 1 && isKey(json, end)) {
        const key = JSON.parse(json.slice(i, end)) as string;
        if (seen.has(key)) return key;
        seen.add(key);
      }
      i = end - 1;
    }
  }
  return undefined;
}

/** Position behind the string that opens at `start`, or behind the text. */
function endOfString(json: string, start: number): number {
  let i = start + 1;
  while (i < json.length && json.charCodeAt(i) !== QUOTE) i += json.charCodeAt(i) === BACKSLASH ? 2 : 1;
  return i + 1;
}

function isKey(json: string, afterString: number): boolean {
  let i = afterString;
  while (json.charCodeAt(i) <= 0x20) i++;
  return json.charCodeAt(i) === COLON;
}
