/** What Python's string literals have a backslash before; before anything else it stays where it is. */
const ESCAPED = '\\\'"\nabfnrtv01234567xuUN';

/**
 * A template whose string literals have no unknown escapes, which @huggingface/jinja refuses and transformers' Jinja takes: the published
 * templates of LLaVA-NeXT with Mistral spell `<\s>`. Text between tags, and comments, stay as they are.
 */
export function keepUnknownEscapes(source: string): string {
  let made = '';
  let quote = '';
  // Of braces open in a tag; undefined between tags.
  let depth: number | undefined;
  for (let i = 0; i < source.length; i++) {
    const [char = '', next = ''] = [source[i], source[i + 1]];
    made += char;
    if (quote !== '') {
      if (char === '\\') {
        made += ESCAPED.includes(next) ? next : `\\${next}`;
        i++;
      } else if (char === quote) quote = '';
    } else if (depth === undefined) {
      if (char !== '{') continue;
      if (next === '#') {
        const end = source.indexOf('#}', i + 2);
        if (end < 0) return source; // refused as it is
        made += source.slice(i + 1, end + 2);
        i = end + 1;
      } else if (next === '{' || next === '%') {
        made += next;
        i++;
        depth = 0;
      }
    } else if (char === '"' || char === "'") quote = char;
    else if (depth === 0 && (char === '}' || char === '%') && next === '}') {
      made += next;
      i++;
      depth = undefined;
    } else if (char === '{') depth++;
    else if (char === '}') depth--;
  }
  return made;
}
