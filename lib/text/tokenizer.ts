import type * as Binding from 'tokenizers';
import type { Encoding, Tokenizer } from 'tokenizers';

import { expectedButFound } from '../errors';
import { readTextIfThere } from '../json-file';
import { expectShortText } from './text-limit';
import { checkTokenizer } from './tokenizer-file';

/** Token ids are u32 in the binding, which wraps other numbers round instead of refusing them. */
export type TokenId = number;

/**
 * A Hugging Face `tokenizer.json`, read by the official Rust implementation: the one that T5's normalisation table (charsmap) is
 * right in. Truncation and padding settings of the file are switched off; callers say what they want cut. Texts longer than MAX_TEXT are
 * an ERR_ARGUMENT.
 */
export class TextTokenizer {
  private constructor(
    private readonly tokenizer: Tokenizer,
    private readonly file: string,
    /** Tokens that every text gets, such as `</s>`. */
    private readonly specials: number,
  ) {}

  /**
   * Reading blocks: up to half a second for a vocabulary of 128,000, so not for an event loop that serves requests.
   *
   * @throws QAViTError ERR_FORMAT (missing or no tokenizer), ERR_UNSUPPORTED (no binding for this machine)
   */
  static async load(file: string): Promise<TextTokenizer> {
    const { Tokenizer } = loadBinding();
    const text = await readTextIfThere(file);
    if (text === undefined) {
      throw expectedButFound('ERR_FORMAT', 'a Hugging Face tokenizer', file, 'nothing: it does not exist');
    }
    checkTokenizer(text, file);
    return guard(file, async () => {
      const tokenizer = Tokenizer.fromString(text);
      tokenizer.disableTruncation();
      tokenizer.disablePadding();
      return new TextTokenizer(tokenizer, file, (await tokenizer.encode('')).getLength());
    });
  }

  /** Token ids with the special tokens of the file. `maxTokens` counts these too: they stay, the text's right end is cut. */
  encode(text: string, maxTokens?: number): Promise<TokenId[]> {
    return this.split(text, (encoding) => {
      if (maxTokens !== undefined) this.cut(encoding, Math.max(0, maxTokens - this.specials));
      return this.tokenizer.postProcess(encoding, null, true).getIds();
    });
  }

  /** Token ids of a text that spells all its special tokens itself. */
  encodeBare(text: string): Promise<TokenId[]> {
    return this.split(text, (encoding) => encoding.getIds());
  }

  /** The start of a text that `encode` makes at most `maxTokens` tokens of. */
  cutText(text: string, maxTokens: number): Promise<string> {
    return this.split(text, (encoding) => {
      const kept = Math.max(0, maxTokens - this.specials);
      if (encoding.getLength() <= kept) return text;
      const end = kept === 0 ? 0 : (encoding.getOffsets()[kept - 1]?.[1] ?? 0);
      // Offsets count code points.
      return [...text].slice(0, end).join('');
    });
  }

  private async split<T>(text: string, use: (encoding: Encoding) => T): Promise<T> {
    expectShortText(text, 'text to be tokenized');
    return guard(this.file, async () => use(await this.tokenizer.encode(text, null, { addSpecialTokens: false })));
  }

  private cut(encoding: Encoding, length: number): void {
    // Without a direction the binding keeps the right end.
    if (encoding.getLength() > length) encoding.truncate(length, 0, 'right');
  }

  /** Text without special tokens. Ids beyond the vocabulary, which padded embedding tables make possible, say nothing. */
  async decode(ids: readonly TokenId[]): Promise<string> {
    return guard(this.file, () => this.tokenizer.decode([...ids], true));
  }

  /** The token's own spelling, such as `▁red` or `<0xE2>`. */
  tokenOf(id: TokenId): string | null {
    return this.tokenizer.idToToken(id);
  }
}

function loadBinding(): typeof Binding {
  try {
    return require('tokenizers') as typeof Binding;
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    const what = 'the package tokenizers (npm install tokenizers)';
    const error = expectedButFound('ERR_UNSUPPORTED', what, 'reading questions', `"${reason}"`);
    error.cause = cause;
    throw error;
  }
}

/** The binding throws and rejects with plain errors. */
async function guard<T>(file: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw expectedButFound('ERR_FORMAT', 'a Hugging Face tokenizer', file, `"${reason}"`);
  }
}
