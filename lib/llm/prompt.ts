import { expected, expectedButFound } from '../errors';
import type { TextTokenizer } from '../text/tokenizer';
import type { QuestionText } from './checks';
import { QUESTION_SLOT, type ModelConfig } from './model-config';

/** Token ids around the place of the visual tokens. */
export interface Prompt {
  before: number[];
  after: number[];
}

/** What a chat says besides the picture and the question about it. */
export interface Framing {
  /** The system message. */
  readonly system?: string;
  /** What the user says before the picture. */
  readonly before?: string;
}

/**
 * The tokens of a prompt template with the question in it, which is cut to `maxTokens` of its own.
 *
 * @throws QAViTError ERR_ARGUMENT where the question spells the token that stands for the visual tokens
 */
export async function buildPrompt(
  tokenizer: TextTokenizer,
  { prompt = QUESTION_SLOT, imageToken }: Pick<ModelConfig, 'prompt' | 'imageToken'>,
  { text, maxTokens }: QuestionText,
): Promise<Prompt> {
  const spelled = imageToken === undefined ? null : tokenizer.tokenOf(imageToken);
  if (spelled !== null) expectNotSpelled(spelled, { question: text });
  const ids = await promptIds(tokenizer, prompt, text, maxTokens);
  const hasPlace = imageToken !== undefined && spelled !== null && prompt.includes(spelled);
  return hasPlace ? splitAtImage(ids, imageToken, spelled, 'the prompt template') : { before: [], after: ids };
}

/** @throws QAViTError ERR_FORMAT unless the token stands there once */
export function splitAtImage(ids: readonly number[], imageToken: number, spelled: string, where: string): Prompt {
  const places = ids.filter((id) => id === imageToken).length;
  if (places !== 1) throw expectedButFound('ERR_FORMAT', `one token ${spelled}`, where, String(places));
  const place = ids.indexOf(imageToken);
  return { before: ids.slice(0, place), after: ids.slice(place + 1) };
}

/** @throws QAViTError ERR_ARGUMENT where one of the texts, by their names, would bring the token that stands for the picture */
export function expectNotSpelled(spelled: string, texts: Framing & { question: string }): void {
  for (const [name, text] of Object.entries(texts) as [string, string | undefined][]) {
    const where = name === 'question' ? 'the question' : `option ${name}`;
    if (text?.includes(spelled)) throw expected('ERR_ARGUMENT', `a text without ${spelled}`, where, text);
  }
}

/** @throws QAViTError ERR_UNSUPPORTED for a framing where there is no chat to put it in */
export function expectNoFraming({ system, before }: Framing, model: string): void {
  const given = system === undefined ? (before === undefined ? undefined : 'before') : 'system';
  if (given === undefined) return;
  throw expectedButFound('ERR_UNSUPPORTED', 'a language model with a chat template', `option ${given}`, model);
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
