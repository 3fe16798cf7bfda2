import { expectedButFound } from '../errors';
import type { TextTokenizer } from '../text/tokenizer';
import { readChatFiles } from './chat/chat-files';
import { ChatPrompt } from './chat/chat-prompt';
import type { QuestionText } from './checks';
import type { ModelConfig } from './model-config';
import { buildPrompt, expectNoFraming, type Framing, type Prompt } from './prompt';

/** Puts questions the way a model was trained to be asked. */
export interface PromptWriter {
  write(question: QuestionText, framing: Framing): Promise<Prompt>;
}

/**
 * A vision-language model is asked in its folder's chat template, or as its family was trained where there is none; any other model
 * as the `prompt_template` of its config.json says.
 *
 * @throws QAViTError ERR_FORMAT for a template or tokenizer without a place for a picture
 */
export async function openPrompt(dir: string, config: ModelConfig, tokenizer: TextTokenizer): Promise<PromptWriter> {
  const { family, imageToken, prompt } = config;
  if (!family || imageToken === undefined || prompt !== undefined) return plainPrompt(dir, config, tokenizer);
  const image = tokenizer.tokenOf(imageToken);
  if (image === null) {
    const what = `a token ${imageToken} (image_token_index of config.json)`;
    throw expectedButFound('ERR_FORMAT', what, `the tokenizer of ${dir}`, 'none');
  }
  const picture = family.language.around?.replace('{image}', () => image) ?? image;
  const files = await readChatFiles(dir);
  if (!files) {
    const own = family.language.prompt.replace('{image}', () => picture);
    return plainPrompt(dir, { ...config, prompt: own }, tokenizer);
  }
  return ChatPrompt.open(tokenizer, files, { token: imageToken, spelled: image, picture });
}

function plainPrompt(dir: string, config: ModelConfig, tokenizer: TextTokenizer): PromptWriter {
  return {
    async write(question, framing) {
      expectNoFraming(framing, dir);
      return buildPrompt(tokenizer, config, question);
    },
  };
}
