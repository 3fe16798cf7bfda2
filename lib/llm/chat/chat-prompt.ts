import { expectedButFound, type QAViTError } from '../../errors';
import type { Grid } from '../../grid';
import type { TextTokenizer } from '../../text/tokenizer';
import type { QuestionText } from '../checks';
import { expectNotSpelled, type Framing, placesIn, type Prompt, splitAtImage } from '../prompt';
import type { ChatFiles } from './chat-files';
import { TemplateRenderer } from './template-renderer';

/** How a template wants the content of messages: as parts of several types, or as one text that spells the picture's token. */
type Content = 'parts' | 'text';

interface Asked extends Framing {
  readonly question: string;
}

/** How a picture is written. */
export interface ImageText {
  /** In whose place the visual tokens go. */
  readonly token: number;
  /** How the tokenizer spells it. */
  readonly spelled: string;
  /** What templates write for a picture. */
  readonly inTemplates: string;
  /** What stands for a picture: `spelled` with what the model wants around it, and for tiles as often as it wants. */
  picture(tiles?: Grid): string;
}

/** Questions in a model's chat template, rendered and tokenized as transformers' processors do. */
export class ChatPrompt {
  private constructor(
    private readonly tokenizer: TextTokenizer,
    private readonly files: ChatFiles,
    private readonly image: ImageText,
    private readonly renderer: TemplateRenderer,
    private readonly content: Content,
  ) {}

  /**
   * Tries the template on a plain question.
   *
   * @throws QAViTError ERR_FORMAT where it fails, or has not one place for a picture
   */
  static async open(tokenizer: TextTokenizer, files: ChatFiles, image: ImageText): Promise<ChatPrompt> {
    const renderer = new TemplateRenderer(files.source, files.file);
    try {
      let found = '';
      for (const content of ['parts', 'text'] as const) {
        const prompt = new ChatPrompt(tokenizer, files, image, renderer, content);
        const rendered = await prompt.render({ question: 'What is this?' });
        const places = 'text' in rendered ? placesIn(rendered.text, image.inTemplates) : 0;
        if (places === 1) return prompt;
        // What is wrong with the usual form is the better explanation.
        found ||= 'text' in rendered ? `${places} of them` : rendered.reason;
      }
      throw expectedButFound(
        'ERR_FORMAT',
        `one ${image.inTemplates} for a picture`,
        `the chat template ${files.file}`,
        found,
      );
    } catch (error) {
      await renderer.close();
      throw error;
    }
  }

  /**
   * @throws QAViTError ERR_ARGUMENT where a text spells the token that stands for the picture, or the template refuses the messages
   */
  async write({ text: asked, maxTokens }: QuestionText, framing: Framing, tiles?: Grid): Promise<Prompt> {
    const question = maxTokens === undefined ? asked : await this.tokenizer.cutText(asked, maxTokens);
    const { token, spelled, inTemplates } = this.image;
    for (const mark of new Set([spelled, inTemplates])) expectNotSpelled(mark, { question, ...framing });
    const rendered = await this.render({ ...framing, question });
    if ('reason' in rendered) throw this.refusal(rendered.reason);
    const { bos_token: start } = this.files.specials;
    // A template that writes the beginning itself must not get a second one.
    const begun = start !== undefined && start !== '' && rendered.text.startsWith(start);
    const picture = this.image.picture(tiles);
    const text = rendered.text.replace(inTemplates, () => picture);
    const ids = begun ? await this.tokenizer.encodeBare(text) : await this.tokenizer.encode(text);
    const places = placesIn(picture, spelled);
    return splitAtImage(ids, { token, spelled, places }, `the prompt of ${this.files.file}`);
  }

  close(): Promise<void> {
    return this.renderer.close();
  }

  private render(asked: Asked) {
    const messages = this.content === 'parts' ? inParts(asked) : inText(asked, this.image.inTemplates);
    return this.renderer.render({
      ...this.files.specials,
      messages,
      add_generation_prompt: true,
      tools: null,
      documents: null,
    });
  }

  private refusal(reason: string): QAViTError {
    return expectedButFound('ERR_ARGUMENT', 'messages that it takes', `the chat template ${this.files.file}`, reason);
  }
}

function inParts({ system, before, question }: Asked) {
  const said = (text: string) => ({ type: 'text', text });
  return [
    ...(system === undefined ? [] : [{ role: 'system', content: [said(system)] }]),
    { role: 'user', content: [...(before === undefined ? [] : [said(before)]), { type: 'image' }, said(question)] },
  ];
}

function inText({ system, before, question }: Asked, image: string) {
  const lines = [...(before === undefined ? [] : [before]), image, question];
  return [
    ...(system === undefined ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content: lines.join('\n') },
  ];
}
