import { HERE, jsonWithBase64 } from '../../formats/base64-json';
import type { GenerateOptions, VisualTokens } from '../language-model';
import type { Endpoint } from './client';
import { imageEmbeds, imageGridEmbeds, promptEmbeds } from './parts';
import type { ServerSettings } from './server';

/** What is asked of a server. */
export interface ServerRequest {
  readonly endpoint: Endpoint;
  /** JSON */
  readonly body: Uint8Array;
}

/** How an answer is to be drawn. */
export interface Drawing {
  readonly maxNewTokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  /** Sent only where the caller gave one: a seed of its own makes a request's sampling slower in vLLM. */
  readonly seed: GenerateOptions['seed'];
  /** The server leaves out what it stopped at, as vLLM does unless told. */
  readonly stop: readonly string[];
}

/** A question about a picture as a message: the server renders its chat template and turns the words into rows. */
export function chatRequest(
  { model, input, dtype, grid }: ServerSettings,
  tokens: VisualTokens,
  question: string,
  { maxNewTokens, ...drawing }: Drawing,
): ServerRequest {
  const words = question === '' ? [] : [{ type: 'text', text: question }];
  const rest = { model, max_completion_tokens: maxNewTokens, ...sampling(drawing), stream: true };
  const bodyWith = (picture: object) => ({ messages: [{ role: 'user', content: [picture, ...words] }], ...rest });
  if (input === 'image_embeds' && grid) {
    const { image_embeds: embeds, ...picture } = imageGridEmbeds(tokens, { dtype });
    const body = bodyWith({ image_embeds: { ...embeds, image_embeds: HERE }, ...picture });
    return { endpoint: 'chat/completions', body: jsonWithBase64(body, embeds.image_embeds) };
  }
  if (input === 'image_embeds') {
    const { image_embeds: base64, ...picture } = imageEmbeds(tokens, { dtype });
    const body = jsonWithBase64(bodyWith({ image_embeds: HERE, ...picture }), base64);
    return { endpoint: 'chat/completions', body };
  }
  const { data: base64, ...picture } = promptEmbeds(tokens, { dtype });
  return { endpoint: 'chat/completions', body: jsonWithBase64(bodyWith({ data: HERE, ...picture }), base64) };
}

/** @param rows of the whole prompt, visual tokens among them */
export function completionRequest(
  { model, dtype }: ServerSettings,
  rows: VisualTokens,
  { maxNewTokens, ...drawing }: Drawing,
): ServerRequest {
  // An empty prompt beside the rows is how vLLM is told that there are no words.
  const prompt = { prompt_embeds: HERE, prompt: '' };
  const body = { ...prompt, model, max_tokens: maxNewTokens, ...sampling(drawing), stream: true };
  return { endpoint: 'completions', body: jsonWithBase64(body, promptEmbeds(rows, { dtype }).data) };
}

function sampling({ temperature, topK, topP, seed, stop }: Omit<Drawing, 'maxNewTokens'>) {
  // Said even where all tokens are meant, or the model's generation_config.json would choose. Every vLLM knows -1, newer ones 0 as well.
  return {
    temperature,
    top_k: topK || -1,
    top_p: topP,
    ...(seed !== undefined && { seed }),
    ...(stop.length > 0 && { stop }),
  };
}
