import type { ActivationName } from '../../binding/native';
import { expected } from '../../errors';
import type { JsonFields } from '../../json-fields';

/** What `config.json` of a T5 says, checked. */
export interface T5Config {
  /** E */
  readonly width: number;
  /** H */
  readonly heads: number;
  /** D */
  readonly headWidth: number;
  /** F */
  readonly feedForward: number;
  readonly encoderLayers: number;
  readonly decoderLayers: number;
  readonly vocabularySize: number;
  /** Of the bias by distance. */
  readonly buckets: number;
  readonly maxDistance: number;
  readonly eps: number;
  readonly activation: ActivationName;
  readonly gated: boolean;
  /** Whether the head may be the embedding table. */
  readonly tied: boolean;
  /** Factor of the logits: E^-0.5 in v1.0, 1 in v1.1, flan and mT5. */
  readonly scale: number;
}

/** transformers' names of `feed_forward_proj`; "gated-gelu" has always meant the tanh form. */
const FEED_FORWARDS: Readonly<Record<string, { activation: ActivationName; gated: boolean }>> = {
  relu: { activation: 'relu', gated: false },
  gelu: { activation: 'gelu_erf', gated: false },
  gelu_new: { activation: 'gelu_tanh', gated: false },
  silu: { activation: 'silu', gated: false },
  'gated-gelu': { activation: 'gelu_tanh', gated: true },
  'gated-gelu_new': { activation: 'gelu_tanh', gated: true },
  'gated-silu': { activation: 'silu', gated: true },
  'gated-relu': { activation: 'relu', gated: true },
};

/** Whether a `config.json` describes a model that this runtime computes; mT5 is T5 v1.1 with another vocabulary. */
export function isT5Config(modelType: unknown): boolean {
  return modelType === 't5' || modelType === 'mt5';
}

/** @throws QAViTError ERR_FORMAT or ERR_UNSUPPORTED, naming the field */
export function readT5Config(file: JsonFields): T5Config {
  const count = (key: string, otherwise?: number): number => {
    const value = file.integer(key) ?? otherwise;
    if (value === undefined || value === 0) throw expected('ERR_FORMAT', 'a positive integer', file.where(key), value);
    return value;
  };
  const width = count('d_model');
  const encoderLayers = count('num_layers');
  const tied = file.flag('tie_word_embeddings', true);
  const buckets = count('relative_attention_num_buckets', 32);
  if (buckets % 4 !== 0) {
    const where = file.where('relative_attention_num_buckets');
    throw expected('ERR_UNSUPPORTED', 'a multiple of 4', where, buckets);
  }
  const maxDistance = count('relative_attention_max_distance', 128);
  if (maxDistance <= buckets / 2 || maxDistance > 2 ** 16) {
    const where = file.where('relative_attention_max_distance');
    throw expected('ERR_UNSUPPORTED', `more than ${buckets / 2} and at most ${2 ** 16}`, where, maxDistance);
  }
  return {
    width,
    heads: count('num_heads'),
    headWidth: count('d_kv'),
    feedForward: count('d_ff'),
    encoderLayers,
    decoderLayers: count('num_decoder_layers', encoderLayers),
    vocabularySize: count('vocab_size'),
    buckets,
    maxDistance,
    eps: readEps(file),
    ...readFeedForward(file),
    tied,
    scale: isScaled(file) ? width ** -0.5 : 1,
  };
}

/** transformers 5 writes what tying once decided; before, an untied head was the sign of v1.1. */
function isScaled(file: JsonFields): boolean {
  if (file.value('scale_decoder_outputs') !== undefined) return file.flag('scale_decoder_outputs');
  if (file.text('model_type') !== 'mt5') return file.flag('tie_word_embeddings', true);
  // Of mT5, transformers 5 says that it is tied and never scales; 4 took it for untied where nothing was said.
  const major = Number.parseInt(file.text('transformers_version') ?? '', 10);
  return major < 5 && file.flag('tie_word_embeddings');
}

function readEps(file: JsonFields): number {
  const eps = file.value('layer_norm_epsilon') ?? 1e-6;
  if (typeof eps === 'number' && eps > 0 && Number.isFinite(eps)) return eps;
  throw expected('ERR_FORMAT', 'a positive number', file.where('layer_norm_epsilon'), eps);
}

function readFeedForward(file: JsonFields): { activation: ActivationName; gated: boolean } {
  const name = file.text('feed_forward_proj') ?? 'relu';
  const found = Object.hasOwn(FEED_FORWARDS, name) ? FEED_FORWARDS[name] : undefined;
  if (found) return found;
  const what = `one of ${Object.keys(FEED_FORWARDS).join(', ')}`;
  throw expected('ERR_UNSUPPORTED', what, file.where('feed_forward_proj'), name);
}
