import { type Decoder, TextStream } from '../text/text-stream';
import type { AnswerEnd } from './language-model';
import { makeSampler, type Sampling } from './sampler';
import { StopSequences } from './stop-sequences';
import type { TokenRules } from './token-rules';

/** Says one answer: given the token said last (none at first), the logits [vocabulary] of the next, for the caller to change. */
export type NextLogits = (said: number | undefined) => Promise<Float32Array>;

export interface AnswerSettings {
  readonly rules: Pick<TokenRules, 'apply' | 'isEnd'>;
  readonly tokenizer: Decoder;
  readonly sampling: Sampling;
  /** Tokens at most. */
  readonly length: number;
  /** The first of these ends the answer and is not part of it. */
  readonly stop: readonly string[];
  /** What the decoder read before the answer, as rules count it (`Spoken`). */
  readonly heard: { readonly tokens: readonly number[]; readonly read: number };
}

/**
 * The loop that says token after token. One piece of text for each, often empty: between two of them the caller may stop.
 *
 * @param promptTokens what was read before, for what the generator returns
 */
export async function* sayAnswer(
  next: NextLogits,
  { rules, tokenizer, sampling, length, stop, heard }: AnswerSettings,
  promptTokens: number,
): AsyncGenerator<string, AnswerEnd, void> {
  const sample = makeSampler(sampling);
  const text = new TextStream(tokenizer);
  const stops = new StopSequences(stop);
  const tokens = [...heard.tokens];
  let token: number | undefined;
  let said = 0;
  let finish: AnswerEnd['finish'] = 'length';
  for (; said < length; said++) {
    const logits = await next(token);
    rules.apply(logits, { tokens, said, read: heard.read, last: said === length - 1 });
    token = sample(logits);
    tokens.push(token);
    if (rules.isEnd(token)) {
      finish = 'stop';
      break;
    }
    yield stops.push(await text.push(token));
    // The token that completes a sequence was said, and counts.
    if (stops.over) return { finish: 'stop', promptTokens, answerTokens: said + 1 };
  }
  yield stops.push(await text.finish()) + stops.finish();
  return { finish: stops.over ? 'stop' : finish, promptTokens, answerTokens: said };
}
