import path from 'node:path';
import { expected } from '../errors';
import { JsonFields } from '../json-fields';
import { isJsonObject } from '../json-file';
import { languageFields } from './model-config';

/** Settings of transformers' generate() that change what is said and are not known here, each with the value that switches it off. */
const UNKNOWN_RULES = {
  encoder_repetition_penalty: 1,
  encoder_no_repeat_ngram_size: 0,
  sequence_bias: undefined,
  forced_decoder_ids: undefined,
  exponential_decay_length_penalty: undefined,
  guidance_scale: 1,
  watermarking_config: undefined,
  stop_strings: undefined,
  dola_layers: undefined,
  force_words_ids: undefined,
  constraints: undefined,
  token_healing: false,
};

/** What was said before the token that is to be chosen. */
export interface Spoken {
  /** Of what was read before the answer that part which transformers is given as ids and so counts as said, then the answer so far. */
  readonly tokens: readonly number[];
  /** How many of them are the answer's. */
  readonly said: number;
  /** Positions that the decoder read before the answer. */
  readonly read: number;
  /** Whether the answer may hold no token behind the one that is to be chosen. */
  readonly last: boolean;
}

/**
 * Which tokens an answer may hold, which it had better not say again, and where it ends: `generation_config.json`, or for token ids
 * `config.json` where that has none, and for all of it where there is no such file, as in transformers.
 *
 * The file's defaults for the length of answers and for sampling and beams are the caller's business here (`GenerateOptions`), and
 * not read. Rules that would change the answer and are not known are refused.
 */
export class TokenRules {
  /** What a decoder reads before it has said anything. */
  readonly start: number | undefined;
  private readonly ends: ReadonlySet<number>;
  private readonly first: number | undefined;
  /** Said where there is room for one token more. */
  private readonly final: readonly number[];
  private readonly never: readonly number[];
  private readonly notFirst: readonly number[];
  private readonly repetitionPenalty: number;
  /** 0: none. */
  private readonly ngram: number;
  private readonly minLength: number;
  private readonly minNewTokens: number;
  private readonly badWords: readonly (readonly number[])[];

  /** Of the model in a folder, whose `config.json` is `file`. */
  static async read(folder: string, file: JsonFields): Promise<TokenRules> {
    const text = file.value('text_config');
    const generation = await JsonFields.readIfThere(path.join(folder, 'generation_config.json'));
    return new TokenRules(generation ?? (isJsonObject(text) ? file.over(text) : file), languageFields(file));
  }

  private constructor(generation: JsonFields, config: JsonFields) {
    for (const [key, off] of Object.entries(UNKNOWN_RULES)) {
      const value = generation.value(key) ?? off;
      if (value !== off) throw expected('ERR_UNSUPPORTED', String(off ?? 'nothing'), generation.where(key), value);
    }
    const id = (key: string) => generation.integer(key) ?? config.integer(key);
    this.start = id('decoder_start_token_id') ?? id('bos_token_id');
    this.ends = new Set(generation.integers('eos_token_id') ?? config.integers('eos_token_id'));
    this.first = id('forced_bos_token_id');
    this.final = generation.integers('forced_eos_token_id') ?? config.integers('forced_eos_token_id') ?? [];
    this.never = generation.integers('suppress_tokens') ?? [];
    this.notFirst = generation.integers('begin_suppress_tokens') ?? [];
    // Numbers as PyTorch multiplies logits by them.
    this.repetitionPenalty = Math.fround(generation.positive('repetition_penalty') ?? 1);
    this.ngram = generation.integer('no_repeat_ngram_size') ?? 0;
    this.minLength = generation.integer('min_length') ?? 0;
    this.minNewTokens = generation.integer('min_new_tokens') ?? 0;
    this.badWords = (generation.integerLists('bad_words_ids') ?? []).filter(
      ([only, ...others]) => others.length > 0 || !this.ends.has(only!),
    );
  }

  isEnd(token: number): boolean {
    return this.ends.has(token);
  }

  /** Rules out tokens in `logits`, and makes those less likely that were spoken already (Keskar et al., CTRL, section 4.1). */
  apply(logits: Float32Array, { tokens, said, read, last }: Spoken): void {
    if (this.repetitionPenalty !== 1) this.penalize(logits, new Set(tokens));
    const ruleOut = (id: number) => (logits[id] = -Infinity);
    this.repeating(tokens).forEach(ruleOut);
    this.completing(tokens).forEach(ruleOut);
    // With both, transformers keeps to the new tokens.
    const tooShort = this.minNewTokens > 0 ? said < this.minNewTokens : read + said < this.minLength;
    if (tooShort) this.ends.forEach(ruleOut);
    this.never.forEach(ruleOut);
    // The rule for the beginning looks at the first token that is free.
    if (said === (this.first === undefined ? 0 : 1)) this.notFirst.forEach(ruleOut);
    const first = said > 0 || this.first === undefined ? [] : [this.first];
    const forced = last && this.final.length > 0 ? this.final : first;
    if (forced.length === 0) return;
    logits.fill(-Infinity);
    for (const id of forced) logits[id] = 0;
  }

  /** Tokens that would say a sequence of `no_repeat_ngram_size` once more. */
  private repeating(tokens: readonly number[]): number[] {
    const { ngram } = this;
    if (ngram === 0) return [];
    const begun = tokens.slice(tokens.length + 1 - ngram);
    return tokens.filter((_, end) => end >= ngram - 1 && begun.every((id, i) => tokens[end + 1 - ngram + i] === id));
  }

  /** Tokens that would complete one of `bad_words_ids`. As in transformers, a sequence longer than what was spoken never is. */
  private completing(tokens: readonly number[]): number[] {
    return this.badWords.flatMap((word) => {
      const begun = word.slice(0, -1);
      const said = begun.every((id, i) => tokens[tokens.length - begun.length + i] === id);
      return said && (word.length === 1 || word.length <= tokens.length) ? word.slice(-1) : [];
    });
  }

  private penalize(logits: Float32Array, heard: ReadonlySet<number>): void {
    for (const id of heard) {
      const logit = logits[id];
      if (logit !== undefined) logits[id] = logit < 0 ? logit * this.repetitionPenalty : logit / this.repetitionPenalty;
    }
  }
}
