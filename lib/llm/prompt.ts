import { expected } from '../errors';
import type { TextTokenizer } from '../text/tokenizer';
import type { QuestionText } from './checks';
import { QUESTION_SLOT, type ModelConfig } from './model-config';

/** Token ids around the place of the visual tokens. */
export interface Prompt {
  before: number[];
  after: number[];
}

/**
 * The tokens of the prompt template with the question in it, which is cut to `maxTokens` of its own.
 *
 * @throws QAViTError ERR_ARGUMENT where the question spells the token that stands for the visual tokens
 */
export async function buildPrompt(
  tokenizer: TextTokenizer,
  { prompt, imageToken }: Pick<ModelConfig, 'prompt' | 'imageToken'>,
  { text, maxTokens }: QuestionText,
): Promise<Prompt> {
  const spelled = imageToken === undefined ? null : tokenizer.tokenOf(imageToken);
  if (spelled !== null && text.includes(spelled)) {
    throw expected('ERR_ARGUMENT', `a text without ${spelled}`, 'the question', text);
  }
  const ids = await promptIds(tokenizer, prompt, text, maxTokens);
  const place = imageToken === undefined ? -1 : ids.indexOf(imageToken);
  return place < 0 ? { before: [], after: ids } : { before: ids.slice(0, place), after: ids.slice(place + 1) };
}

async function promptIds(
  tokenizer: TextTokenizer,
  prompt: string,
  text: string,
  maxTokens: number | undefined,
): Promise<number[]> {
  // Where the question is all there is, its tokens are cut, as transformers does; a cut text could split into other tokens.
  if (prompt === QUESTION_SLOT) return tokenizer.encode(text, maxTokens);
  const question = maxTokens === undefined ? text : await tokenizer.cutText(text, maxTokens);
  return tokenizer.encode(prompt.replace(QUESTION_SLOT, () => question));
}
