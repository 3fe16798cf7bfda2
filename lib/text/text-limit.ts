import { expectedButFound } from '../errors';

/**
 * UTF-16 code units of a text that is tokenized: several times what models with pictures read at once.
 *
 * Tokenizers' regular expressions give up after ten million steps, and the binding ends the process then. Those in use take about one a
 * blank (Qwen2's fails at twelve million tabs).
 */
export const MAX_TEXT = 2 ** 16;

/** @throws QAViTError ERR_ARGUMENT */
export function expectShortText(text: string, where: string): void {
  if (text.length <= MAX_TEXT) return;
  throw expectedButFound('ERR_ARGUMENT', `at most ${MAX_TEXT} characters`, where, `${text.length}`);
}
