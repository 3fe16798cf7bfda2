import { isJsonObject, type JsonObject } from '../../json-file';
import { DONE, type ServerEvent } from './connection';
import type { AnswerEnd } from '../language-model';
import type { Failures } from './failures';

/** Besides one event a token: the role, usage, tokens without text, what a proxy adds. */
const MORE_EVENTS = 64;

/**
 * The text of a streamed answer, of chat or of completions.
 *
 * @param most tokens that were asked for: a server that goes on far beyond them never ends
 * @returns how it ended, if the server says so
 * @throws ServerFailure for an error inside the stream, an answer that breaks off, or something else than an answer
 */
export async function* answerText(
  events: AsyncIterable<ServerEvent>,
  most: number,
  failures: Failures,
): AsyncGenerator<string, AnswerEnd | void, void> {
  let count = 0;
  let finished = false;
  let end: AnswerEnd | undefined;
  for await (const event of events) {
    if (event === DONE) {
      finished = true;
      continue;
    }
    if (++count > most + MORE_EVENTS) {
      throw failures.make('ERR_FORMAT', `an answer of at most ${most} tokens`, `${count} events and no end`);
    }
    if (event.error !== undefined || event.object === 'error') throw failures.ofEvent(event);
    const { text, reason } = pieceOf(event, failures);
    if (reason === 'abort' || reason === 'error') {
      throw failures.make('ERR_DEVICE', 'a whole answer', `one that the server ended (finish_reason ${reason})`);
    }
    finished ||= reason !== undefined;
    if (reason !== undefined) end = { finish: reason === 'length' ? 'length' : 'stop' };
    if (text !== '') yield text;
  }
  if (!finished) throw failures.make('ERR_DEVICE', 'a whole answer', `one that breaks off after ${count} events`);
  return end;
}

/** Of an event without choices (usage) nothing is said. */
function pieceOf(event: JsonObject, failures: Failures): { text: string; reason: string | undefined } {
  const { choices } = event;
  const choice: unknown = Array.isArray(choices) ? (choices[0] ?? {}) : undefined;
  if (!isJsonObject(choice)) {
    throw failures.make('ERR_FORMAT', 'events with choices', `one with ${Object.keys(event).slice(0, 8).join(', ')}`);
  }
  const said = isJsonObject(choice.delta) ? choice.delta.content : choice.text;
  const reason = choice.finish_reason ?? undefined;
  if (typeof (said ?? '') === 'string' && typeof (reason ?? '') === 'string') {
    return { text: (said as string | null | undefined) ?? '', reason: reason as string | undefined };
  }
  throw failures.make('ERR_FORMAT', 'text in events', `a ${typeof said} and finish_reason ${JSON.stringify(reason)}`);
}
