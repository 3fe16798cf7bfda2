import { abortSignal, anything, boolean, either, integer, number, oneOf, text } from '../calls/options';
import { stopRule } from '../llm/stop-sequences';

/** What the options of QAViT's methods must be. */
export const CALL_RULES = { signal: abortSignal };
/** Whether the model can hand over so few is said where they are chosen. */
const SELECTION_RULES = { visualTokens: either(integer(1, 2 ** 31), oneOf('all')) };
/** What picture and question may be is said where they are used. */
export const ITEM_RULES = { image: anything, question: anything, ...SELECTION_RULES };
export const ENCODE_RULES = { ...CALL_RULES, output: oneOf('projected', 'tower'), ...SELECTION_RULES };
/** How an answer is written from visual tokens. */
export const ANSWER_RULES = {
  system: text,
  before: text,
  ...CALL_RULES,
  maxNewTokens: integer(1, 2 ** 20),
  temperature: number(0, 100),
  topP: number(0, 1),
  seed: integer(0, 2 ** 53 - 1),
  stop: stopRule,
};
export const ASK_RULES = { ...ANSWER_RULES, questionAware: boolean, ...SELECTION_RULES };
export const PREPARE_RULES = { ...CALL_RULES, limits: anything };
