import type { TokenId } from './tokenizer';

/** What a stream needs of a tokenizer. */
export interface Decoder {
  decode(ids: readonly TokenId[]): Promise<string>;
  tokenOf(id: TokenId): string | null;
}

/** Decoders write U+FFFD where the bytes of a character are incomplete. */
const UNFINISHED = /\uFFFD+$/;
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;

/**
 * Turns tokens into pieces of text as they come. The pieces joined are exactly what decoding all tokens at once gives: every piece is
 * what the whole text has grown by. Held back is what a later token may still change: an incomplete character, and a run of byte
 * tokens, of which the decoder gives up all if one is wrong.
 *
 * Decoding everything again for each token is quadratic, and still only 0.1 ms a token after a thousand of them.
 */
export class TextStream {
  private readonly ids: TokenId[] = [];
  private sent = '';

  constructor(private readonly decoder: Decoder) {}

  /** What the token adds for certain; often a word, sometimes nothing. */
  async push(id: TokenId): Promise<string> {
    this.ids.push(id);
    if (BYTE_TOKEN.test(this.decoder.tokenOf(id) ?? '')) return '';
    return this.grow((await this.decoder.decode(this.ids)).replace(UNFINISHED, ''));
  }

  /** What was held back. */
  async finish(): Promise<string> {
    return this.grow(await this.decoder.decode(this.ids));
  }

  private grow(text: string): string {
    const piece = text.slice(this.sent.length);
    this.sent += piece;
    return piece;
  }
}
