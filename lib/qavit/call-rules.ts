import { abortSignal, anything, boolean, either, integer, oneOf } from '../calls/options';
import { DECODING_RULES } from '../llm/decoding-rules';

/** What the options of QAViT's methods must be. */
export const CALL_RULES = { signal: abortSignal };
/** Whether the model can hand over so few is said where they are chosen. */
const SELECTION_RULES = { visualTokens: either(integer(1, 2 ** 31), oneOf('all')) };
/** What picture and question may be is said where they are used. */
export const ITEM_RULES = { image: anything, question: anything, ...SELECTION_RULES };
export const ENCODE_RULES = { ...CALL_RULES, output: oneOf('projected', 'tower'), ...SELECTION_RULES };
export const ASK_RULES = { ...DECODING_RULES, questionAware: boolean, ...SELECTION_RULES };
export const PREPARE_RULES = { ...CALL_RULES, limits: anything };
