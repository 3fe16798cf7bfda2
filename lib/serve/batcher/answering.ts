import type { AnswerEnd } from '../../llm/language-model';
import type { AskOptions, VisualTokens } from '../../qavit/types';
import type { Clock } from './clock';
import { readAhead } from './read-ahead';
import type { Replica } from './replica';
import type { BatcherObserver } from './types';

type Asked = Omit<AskOptions, 'questionAware' | 'visualTokens' | 'signal'> & { client: string; signal: AbortSignal };

/** An answer from visual tokens, once the language model has a slot for it. The slot is given back when the answer is written, read or not. */
export async function* answerOf(
  { answers, model }: Pick<Replica, 'answers' | 'model'>,
  tokens: VisualTokens,
  question: string,
  { client, signal, ...decoding }: Asked,
  { clock, observer }: { clock: Clock; observer: BatcherObserver },
): AsyncGenerator<string, { end: AnswerEnd | undefined; firstToken: number | undefined }, void> {
  const start = clock.now();
  const release = await answers.acquire(client, signal);
  let firstToken: number | undefined;
  const pieces = model.stages.answer(tokens, question, { ...decoding, signal });
  const timed = async function* (): AsyncGenerator<string, AnswerEnd | undefined, void> {
    try {
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return value ?? undefined;
        firstToken ??= clock.now() - start;
        yield value;
      }
    } finally {
      // A reader that leaves between two pieces would leave the model's answer open.
      await pieces.return();
    }
  };
  const end = yield* readAhead(timed(), release);
  if (firstToken !== undefined) observer.stage?.('first_token', firstToken);
  observer.stage?.('answer', clock.now() - start);
  return { end, firstToken };
}
