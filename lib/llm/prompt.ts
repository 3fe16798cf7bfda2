import { expected, expectedButFound } from '../errors';
import type { TextTokenizer } from '../text/tokenizer';
import type { QuestionText } from './checks';
import type { VisualTokens } from './language-model';
import { QUESTION_SLOT, type ModelConfig } from './model-config';

/**
 * Token ids around the places of the visual tokens, which are shared out equally: one text more than there are places. One place, but for
 * pictures in tiles that a model wants words between.
 */
export interface Prompt {
  readonly texts: readonly [number[], number[], ...number[][]];
}

/** What a chat says besides the picture and the question about it. */
export interface Framing {
  /** The system message. */
  readonly system?: string;
  /** What the user says before the picture. */
  readonly before?: string;
}

/** Around a question. */
export interface PromptForm extends Pick<ModelConfig, 'prompt' | 'imageToken'> {
  /** Whether it has the beginning of the text in it. */
  readonly begun?: boolean;
}

/**
 * The tokens of a prompt template with the question in it, which is cut to `maxTokens` of its own.
 *
 * @param places of visual tokens that the template spells, if it spells any
 * @throws QAViTError ERR_ARGUMENT where the question spells the token that stands for the visual tokens
 */
export async function buildPrompt(
  tokenizer: TextTokenizer,
  { prompt = QUESTION_SLOT, imageToken, begun }: PromptForm,
  { text, maxTokens }: QuestionText,
  places = 1,
): Promise<Prompt> {
  const spelled = imageToken === undefined ? null : tokenizer.tokenOf(imageToken);
  if (spelled !== null) expectNotSpelled(spelled, { question: text });
  const ids = await promptIds(tokenizer, { prompt, begun }, text, maxTokens);
  const hasPlace = imageToken !== undefined && spelled !== null && prompt.includes(spelled);
  if (!hasPlace) return { texts: [[], ids] };
  return splitAtImage(ids, { token: imageToken, spelled, places }, 'the prompt template');
}

/** The token that stands for visual tokens, and in how many places. */
export interface ImageTokens {
  readonly token: number;
  /** How the tokenizer spells it. */
  readonly spelled: string;
  readonly places: number;
}

/** @throws QAViTError ERR_FORMAT unless the token stands there as often */
export function splitAtImage(ids: readonly number[], { token, spelled, places }: ImageTokens, where: string): Prompt {
  const texts: number[][] = [[]];
  for (const id of ids) {
    if (id === token) texts.push([]);
    else texts.at(-1)?.push(id);
  }
  const [first, second, ...others] = texts;
  if (first && second && texts.length === places + 1) return { texts: [first, second, ...others] };
  const what = `${places === 1 ? 'one token' : `${places} tokens`} ${spelled}`;
  throw expectedButFound('ERR_FORMAT', what, where, String(texts.length - 1));
}

/**
 * How many of `count` visual tokens go to each place.
 *
 * @throws QAViTError ERR_SHAPE where they cannot be shared out
 */
export function shareOf(places: number, count: number): number {
  if (places > 0 && count % places === 0) return count / places;
  throw expectedButFound('ERR_SHAPE', `a multiple of ${places}`, 'the number of visual tokens', `${count}`);
}

/** How often a text spells the token. */
export function placesIn(text: string, spelled: string): number {
  return text.split(spelled).length - 1;
}

/** @throws QAViTError ERR_ARGUMENT where one of the texts, by their names, would bring the token that stands for the picture */
export function expectNotSpelled(spelled: string, texts: Framing & { question: string }): void {
  for (const [name, text] of Object.entries(texts) as [string, string | undefined][]) {
    const where = name === 'question' ? 'the question' : `option ${name}`;
    if (text?.includes(spelled)) throw expected('ERR_ARGUMENT', `a text without ${spelled}`, where, text);
  }
}

/** @throws QAViTError ERR_UNSUPPORTED for a picture in tiles where nothing says how a model reads those */
export function expectNoTiles({ tiles }: Pick<VisualTokens, 'tiles'>, model: string): void {
  if (!tiles) return;
  const found = `those of a picture in ${tiles.rows} x ${tiles.columns} tiles`;
  throw expectedButFound('ERR_UNSUPPORTED', 'visual tokens of a whole picture', model, found);
}

/** @throws QAViTError ERR_UNSUPPORTED for a framing where there is no chat to put it in */
export function expectNoFraming({ system, before }: Framing, model: string): void {
  const given = system === undefined ? (before === undefined ? undefined : 'before') : 'system';
  if (given === undefined) return;
  throw expectedButFound('ERR_UNSUPPORTED', 'a language model with a chat template', `option ${given}`, model);
}

async function promptIds(
  tokenizer: TextTokenizer,
  { prompt, begun }: { prompt: string; begun?: boolean },
  text: string,
  maxTokens: number | undefined,
): Promise<number[]> {
  // Where the question is all there is, its tokens are cut, as transformers does; a cut text could split into other tokens.
  if (prompt === QUESTION_SLOT) return tokenizer.encode(text, maxTokens);
  const question = maxTokens === undefined ? text : await tokenizer.cutText(text, maxTokens);
  const whole = prompt.replace(QUESTION_SLOT, () => question);
  return begun ? tokenizer.encodeBare(whole) : tokenizer.encode(whole);
}
