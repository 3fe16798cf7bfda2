/**
 * vLLM: visual tokens as what its OpenAI-compatible API takes, for requests of your own, and a language model that sends them.
 * docs/runtimes.md says which of vLLM's inputs fits which model, and which of its options they need.
 *
 * @example
 * const tokens = await model.encode('street.jpg', 'What is written on the blue sign?');
 * const content = [imageEmbeds(tokens), { type: 'text', text: 'What is written on the blue sign?' }];
 * const body = JSON.stringify({ model: 'llava-hf/llava-1.5-7b-hf', messages: [{ role: 'user', content }] });
 */
import type { LanguageModel } from './llm/language-model';
import type { VllmServer } from './llm/vllm/server';
import { type OpenVllmOptions, VllmLanguageModel } from './llm/vllm/vllm-language-model';

export type {
  GenerateOptions,
  LanguageModel,
  LanguageModelInfo,
  QuestionEncoding,
  VisualTokens,
} from './llm/language-model';
export {
  cacheKey,
  imageEmbeds,
  type ImageEmbedsPart,
  imageGridEmbeds,
  type ImageGridEmbedsPart,
  type PartOptions,
  promptEmbeds,
  type PromptEmbedsPart,
  torchTensor,
} from './llm/vllm/parts';
export type { ServerInput, TravelDType, VllmServer } from './llm/vllm/server';
export type { OpenVllmOptions };

/**
 * A server's model by itself, for tokens that were encoded before or elsewhere. Nothing is sent before the first answer is asked for.
 *
 * @throws QAViTError ERR_ARGUMENT; ERR_FORMAT, ERR_SHAPE or ERR_UNSUPPORTED for the folder `text`
 * @example
 * const llava = await openVllm('http://host:8000/v1#llava-hf/llava-1.5-7b-hf', { width: 4096 });
 * for await (const text of llava.generate(tokens, 'What is written on the blue sign?')) process.stdout.write(text);
 */
export function openVllm(server: string | VllmServer, options?: OpenVllmOptions): Promise<LanguageModel> {
  return VllmLanguageModel.open(server, options);
}
