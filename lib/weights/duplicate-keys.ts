import { CLOSING, endOfString, OPENING } from '../json-text';

const [QUOTE, COLON] = [0x22, 0x3a];

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
    if (OPENING.has(char)) depth++;
    else if (CLOSING.has(char)) depth--;
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

function isKey(json: string, afterString: number): boolean {
  let i = afterString;
  while (json.charCodeAt(i) <= 0x20) i++;
  return json.charCodeAt(i) === COLON;
}
