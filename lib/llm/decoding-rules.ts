import { abortSignal, integer, number, text } from '../calls/options';
import { stopRule } from './stop-sequences';

/** Of an answer. */
export const MOST_NEW_TOKENS = 2 ** 20;
/** Beyond it all tokens are as good as equally likely. */
export const MOST_TEMPERATURE = 100;

/** What the options must be that say how an answer is written, wherever they are taken. */
export const DECODING_RULES = {
  maxNewTokens: integer(1, MOST_NEW_TOKENS),
  temperature: number(0, MOST_TEMPERATURE),
  // vLLM takes counts of 32 bits.
  topK: integer(0, 2 ** 31 - 1),
  topP: { what: 'a number above 0 and at most 1', accepts: (p: unknown) => number(0, 1).accepts(p) && p !== 0 },
  seed: integer(0, Number.MAX_SAFE_INTEGER),
  stop: stopRule,
  system: text,
  before: text,
  signal: abortSignal,
};
