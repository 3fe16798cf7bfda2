import { RequestError } from '../../request-error';
import type { Message } from './question';

/** A chat completion's body, as its schema has let it through. */
export interface ChatBody {
  model: string;
  messages: Message[];
  stream?: boolean | null;
  stream_options?: { include_usage?: boolean | null } | null;
  max_tokens?: number | null;
  max_completion_tokens?: number | null;
  temperature?: number | null;
  /** vLLM's; OpenAI has none. */
  top_k?: number | null;
  top_p?: number | null;
  seed?: number | null;
  stop?: string | string[] | null;
  qavit?: { question_aware?: boolean; visual_tokens?: number | 'all' };
}

/** As the Batcher takes them. */
export interface Decoding {
  maxNewTokens: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  seed?: number;
  stop?: readonly string[];
  questionAware?: boolean;
  visualTokens?: number | 'all';
}

/**
 * @param newTokens of an answer whose request does not say how long it may be
 * @throws RequestError 400 for two different lengths, and for options of a stream where there is none
 */
export function decodingOf(body: ChatBody, newTokens: number): Decoding {
  const { max_tokens, max_completion_tokens, temperature, top_k, top_p, seed, qavit } = body;
  const [short, long] = [max_tokens ?? undefined, max_completion_tokens ?? undefined];
  if (short !== undefined && long !== undefined && short !== long) {
    throw invalid('Expected max_tokens and max_completion_tokens to agree', 'max_tokens');
  }
  if (body.stream_options && !body.stream) {
    throw invalid('Expected stream: true for stream_options', 'stream_options');
  }
  // Null stands for absent in OpenAI's bodies.
  return {
    maxNewTokens: long ?? short ?? newTokens,
    temperature: temperature ?? undefined,
    // Both -1 and 0 are all tokens to vLLM.
    topK: Math.max(top_k ?? 0, 0),
    topP: top_p ?? undefined,
    seed: seed ?? undefined,
    stop: stopsOf(body),
    questionAware: qavit?.question_aware,
    visualTokens: qavit?.visual_tokens,
  };
}

function stopsOf({ stop }: ChatBody): readonly string[] | undefined {
  return typeof stop === 'string' ? [stop] : (stop ?? undefined);
}

function invalid(message: string, param: string): RequestError {
  return new RequestError(400, 'invalid_value', message, param);
}
