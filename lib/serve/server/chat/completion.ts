import { randomUUID } from 'node:crypto';
import type { AnswerTold } from '../../batcher';
import { type ToldJson, toldJson } from '../told';

type Finish = 'stop' | 'length';

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

/** What all parts of one answer carry. */
export class Completion {
  private readonly id = `chatcmpl-${randomUUID()}`;
  private readonly created = Math.floor(Date.now() / 1000);

  /** @param withUsage whether a stream says what it took */
  constructor(
    private readonly model: string,
    private readonly withUsage: boolean,
  ) {}

  whole(content: string, told: AnswerTold, receivedMs: number) {
    const message = { role: 'assistant', content, refusal: null };
    const choices = [{ index: 0, message, logprobs: null, finish_reason: finishOf(told) }];
    return { ...this.head('chat.completion'), choices, ...usageOf(told), qavit: toldJson(told, receivedMs) };
  }

  first() {
    return this.chunk({ role: 'assistant', content: '' }, null);
  }

  piece(content: string) {
    return this.chunk({ content }, null);
  }

  /** The last chunks of a stream; the very last one says how it went. */
  last(told: AnswerTold, receivedMs: number): object[] {
    const qavit: { qavit: ToldJson } = { qavit: toldJson(told, receivedMs) };
    const end = this.chunk({}, finishOf(told));
    if (!this.withUsage) return [{ ...end, ...qavit }];
    return [end, { ...this.head('chat.completion.chunk'), choices: [], ...usageOf(told), ...qavit }];
  }

  private chunk(delta: { role?: string; content?: string }, finish: Finish | null) {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason: finish }];
    return { ...this.head('chat.completion.chunk'), choices, ...(this.withUsage && { usage: null }) };
  }

  private head(object: string) {
    return { id: this.id, object, created: this.created, model: this.model };
  }
}

/** A runtime that does not tell has written all it had to say. */
function finishOf({ finish = 'stop' }: AnswerTold): Finish {
  return finish;
}

/** Nothing where the runtime does not tell. */
function usageOf({ promptTokens, answerTokens }: AnswerTold): { usage?: Usage } {
  if (promptTokens === undefined || answerTokens === undefined) return {};
  const total_tokens = promptTokens + answerTokens;
  return { usage: { prompt_tokens: promptTokens, completion_tokens: answerTokens, total_tokens } };
}
