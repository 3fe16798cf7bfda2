import type { GenerateOptions, VisualTokens } from '../language-model';
import type { Endpoint } from './client';
import { imageEmbeds, promptEmbeds } from './parts';
import type { ServerSettings } from './server';

/** What is asked of a server. */
export interface ServerRequest {
  readonly endpoint: Endpoint;
  /** JSON */
  readonly body: string;
}

/** How an answer is to be drawn, in OpenAI's names. */
export interface Drawing {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topP: number;
  /** Sent only where the caller gave one: a seed of its own makes a request's sampling slower in vLLM. */
  readonly seed: GenerateOptions['seed'];
}

/** A question about a picture as a message: the server renders its chat template and turns the words into rows. */
export function chatRequest(
  { model, input, dtype }: ServerSettings,
  tokens: VisualTokens,
  question: string,
  { maxNewTokens, ...drawing }: Drawing,
): ServerRequest {
  const picture = input === 'image_embeds' ? imageEmbeds(tokens, { dtype }) : promptEmbeds(tokens, { dtype });
  const content = [picture, ...(question === '' ? [] : [{ type: 'text', text: question }])];
  const messages = [{ role: 'user', content }];
  const body = { model, messages, max_completion_tokens: maxNewTokens, ...sampling(drawing), stream: true };
  return { endpoint: 'chat/completions', body: JSON.stringify(body) };
}

/** @param rows of the whole prompt, visual tokens among them */
export function completionRequest(
  { model, dtype }: ServerSettings,
  rows: VisualTokens,
  { maxNewTokens, ...drawing }: Drawing,
): ServerRequest {
  // An empty prompt beside the rows is how vLLM is told that there are no words.
  const prompt = { prompt: '', prompt_embeds: promptEmbeds(rows, { dtype }).data };
  const body = { model, ...prompt, max_tokens: maxNewTokens, ...sampling(drawing), stream: true };
  return { endpoint: 'completions', body: JSON.stringify(body) };
}

function sampling({ temperature, topP, seed }: Omit<Drawing, 'maxNewTokens'>): Record<string, number> {
  return { temperature, top_p: topP, ...(seed === undefined ? {} : { seed }) };
}
