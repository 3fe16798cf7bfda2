import { TextStream } from '../text/text-stream';
import type { TextTokenizer } from '../text/tokenizer';
import type { AnswerEnd } from './language-model';
import { makeSampler, type Sampling } from './sampler';
import type { TokenRules } from './token-rules';

/** Says one answer: given the token said last (none at first), the logits [vocabulary] of the next, for the caller to change. */
export type NextLogits = (said: number | undefined) => Promise<Float32Array>;

export interface AnswerSettings {
  readonly rules: TokenRules;
  readonly tokenizer: TextTokenizer;
  readonly sampling: Sampling;
  /** Tokens at most. */
  readonly length: number;
}

/**
 * The loop that says token after token. One piece of text for each, often empty: between two of them the caller may stop.
 *
 * @param promptTokens what was read before, for what the generator returns
 */
export async function* sayAnswer(
  next: NextLogits,
  { rules, tokenizer, sampling, length }: AnswerSettings,
  promptTokens: number,
): AsyncGenerator<string, AnswerEnd, void> {
  const sample = makeSampler(sampling);
  const text = new TextStream(tokenizer);
  let token: number | undefined;
  let said = 0;
  let finish: AnswerEnd['finish'] = 'length';
  for (; said < length; said++) {
    const logits = await next(token);
    rules.apply(logits, said);
    token = sample(logits);
    if (rules.isEnd(token)) {
      finish = 'stop';
      break;
    }
    yield text.push(token);
  }
  yield text.finish();
  return { finish, promptTokens, answerTokens: said };
}
