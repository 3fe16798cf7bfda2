import { expectedButFound } from '../errors';
import type { Grid } from '../grid';
import type { TextTokenizer } from '../text/tokenizer';
import { readChatFiles } from './chat/chat-files';
import { ChatPrompt } from './chat/chat-prompt';
import type { QuestionText } from './checks';
import type { ModelConfig } from './model-config';
import { buildPrompt, expectNoFraming, expectNoTiles, type Framing, placesIn, type Prompt } from './prompt';

/** Puts questions the way a model was trained to be asked. */
export interface PromptWriter {
  /**
   * @param tiles what the picture was cut into
   * @throws QAViTError ERR_ARGUMENT for texts that cannot be written; ERR_UNSUPPORTED for a framing or tiles that nothing says how to write
   */
  write(question: QuestionText, framing: Framing, tiles?: Grid): Promise<Prompt>;
}

/**
 * A vision-language model is asked in its folder's chat template, or as its family was trained where there is none; any other model
 * as the `prompt_template` of its config.json says.
 *
 * @throws QAViTError ERR_FORMAT for a template or tokenizer without a place for a picture
 */
export async function openPrompt(dir: string, config: ModelConfig, tokenizer: TextTokenizer): Promise<PromptWriter> {
  const { family, imageToken, imageTokenField, prompt } = config;
  if (!family || imageToken === undefined || prompt !== undefined) return plainPrompt(dir, config, tokenizer);
  const image = tokenizer.tokenOf(imageToken);
  if (image === null) {
    const what = `a token ${imageToken} (${imageTokenField} of config.json)`;
    throw expectedButFound('ERR_FORMAT', what, `the tokenizer of ${dir}`, 'none');
  }
  const picture = (tiles?: Grid): string => {
    if (family.language.picture) return family.language.picture(image, tiles);
    expectNoTiles({ tiles }, dir);
    return image;
  };
  const { prompt: form, begun, inTemplates = image } = family.language;
  const files = await readChatFiles(dir);
  if (files) return ChatPrompt.open(tokenizer, files, { token: imageToken, spelled: image, inTemplates, picture });
  return {
    async write(question, framing, tiles) {
      expectNoFraming(framing, dir);
      const text = picture(tiles);
      const own = { imageToken, begun, prompt: form.replace('{image}', () => text) };
      return buildPrompt(tokenizer, own, question, placesIn(text, image));
    },
  };
}

function plainPrompt(dir: string, config: ModelConfig, tokenizer: TextTokenizer): PromptWriter {
  return {
    async write(question, framing, tiles) {
      expectNoFraming(framing, dir);
      expectNoTiles({ tiles }, dir);
      return buildPrompt(tokenizer, { ...config, begun: config.family?.language.begun }, question);
    },
  };
}
