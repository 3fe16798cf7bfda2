import { expected } from '../errors';
import type { JsonFields } from './json-fields';

/** Settings of transformers' generate() that change what is said and are not known here, each with the value that switches it off. */
const UNKNOWN_RULES = {
  encoder_repetition_penalty: 1,
  no_repeat_ngram_size: 0,
  encoder_no_repeat_ngram_size: 0,
  min_length: 0,
  min_new_tokens: 0,
  bad_words_ids: undefined,
  sequence_bias: undefined,
  forced_decoder_ids: undefined,
  exponential_decay_length_penalty: undefined,
};

/**
 * Which tokens an answer may hold, which it had better not say again, and where it ends: `generation_config.json`, or for token ids
 * `config.json` where that has none.
 *
 * The file's defaults for the length of answers and for sampling and beams are the caller's business here (`GenerateOptions`), and
 * not read. Rules that would change the answer and are not known are refused.
 */
export class TokenRules {
  /** What a decoder reads before it has said anything. */
  readonly start: number | undefined;
  private readonly ends: ReadonlySet<number>;
  private readonly first: number | undefined;
  private readonly never: readonly number[];
  private readonly notFirst: readonly number[];
  private readonly repetitionPenalty: number;

  constructor(generation: JsonFields, config: JsonFields) {
    for (const [key, off] of Object.entries(UNKNOWN_RULES)) {
      const value = generation.value(key) ?? off;
      if (value !== off) throw expected('ERR_UNSUPPORTED', String(off ?? 'nothing'), generation.where(key), value);
    }
    const id = (key: string) => generation.integer(key) ?? config.integer(key);
    this.start = id('decoder_start_token_id') ?? id('bos_token_id');
    this.ends = new Set(generation.integers('eos_token_id') ?? config.integers('eos_token_id'));
    this.first = id('forced_bos_token_id');
    this.never = generation.integers('suppress_tokens') ?? [];
    this.notFirst = generation.integers('begin_suppress_tokens') ?? [];
    // Numbers as PyTorch multiplies logits by them.
    this.repetitionPenalty = Math.fround(generation.positive('repetition_penalty') ?? 1);
  }

  isEnd(token: number): boolean {
    return this.ends.has(token);
  }

  /**
   * Rules out tokens in `logits`, and makes those less likely that were `heard`: of the answer, and of what was read before it as far
   * as transformers counts that (Keskar et al., CTRL, section 4.1). `said` counts the tokens of the answer so far.
   */
  apply(logits: Float32Array, said: number, heard: ReadonlySet<number>): void {
    if (this.repetitionPenalty !== 1) this.penalize(logits, heard);
    const ruleOut = (id: number) => (logits[id] = -Infinity);
    this.never.forEach(ruleOut);
    // The rule for the beginning looks at the first token that is free.
    if (said === (this.first === undefined ? 0 : 1)) this.notFirst.forEach(ruleOut);
    if (said > 0 || this.first === undefined) return;
    logits.fill(-Infinity);
    logits[this.first] = 0;
  }

  private penalize(logits: Float32Array, heard: ReadonlySet<number>): void {
    for (const id of heard) {
      const logit = logits[id];
      if (logit !== undefined) logits[id] = logit < 0 ? logit * this.repetitionPenalty : logit / this.repetitionPenalty;
    }
  }
}
