import type { ActivationName } from '../binding/native';
import { expected, expectedButFound } from '../errors';
import { isJsonObject, type JsonObject } from '../json-file';
import { positiveInteger, positiveNumber } from './config-values';

/** What CLIPVisionConfig says, checked. */
export interface ClipVisionConfig {
  /** C */
  readonly width: number;
  /** Width of the MLP's hidden layer. */
  readonly mlpWidth: number;
  /** L */
  readonly layers: number;
  /** H */
  readonly heads: number;
  /** Pixels. */
  readonly image: number;
  /** Pixels. */
  readonly patch: number;
  readonly activation: ActivationName;
  readonly eps: number;
}

/** transformers' names. */
const ACTIVATIONS: Readonly<Record<string, ActivationName>> = {
  quick_gelu: 'quick_gelu',
  gelu: 'gelu_erf',
  gelu_python: 'gelu_erf',
  gelu_new: 'gelu_tanh',
  gelu_fast: 'gelu_tanh',
  gelu_pytorch_tanh: 'gelu_tanh',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
  tanh: 'tanh',
};

/** CLIPVisionConfig's own defaults (ViT-B/32); a file leaves out what equals them. */
const DEFAULTS = {
  hidden_size: 768,
  intermediate_size: 3072,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  num_channels: 3,
  image_size: 224,
  patch_size: 32,
  hidden_act: 'quick_gelu',
  layer_norm_eps: 1e-5,
};

/** Whether a config.json describes a CLIP model or its vision half. */
export function isClipConfig({ model_type: type }: JsonObject): boolean {
  return type === 'clip' || type === 'clip_vision_model';
}

/**
 * Reads the config.json of a CLIPVisionModel, or the vision half of a CLIPModel's.
 *
 * @throws QAViTError ERR_UNSUPPORTED for another architecture, ERR_FORMAT for a field that makes no sense
 */
export function parseClipConfig(json: JsonObject, path: string): ClipVisionConfig {
  if (!isClipConfig(json)) {
    throw expected('ERR_UNSUPPORTED', 'clip or clip_vision_model', `model_type of ${path}`, json.model_type);
  }
  const nested = json.model_type === 'clip' ? (json.vision_config ?? {}) : json;
  if (!isJsonObject(nested)) throw expected('ERR_FORMAT', 'an object', `vision_config of ${path}`, nested);
  const field = (name: keyof typeof DEFAULTS) => [nested[name] ?? DEFAULTS[name], `${name} of ${path}`] as const;
  const integer = (name: keyof typeof DEFAULTS) => positiveInteger(...field(name));
  const config = {
    width: integer('hidden_size'),
    mlpWidth: integer('intermediate_size'),
    layers: integer('num_hidden_layers'),
    heads: integer('num_attention_heads'),
    image: integer('image_size'),
    patch: integer('patch_size'),
    activation: activation(...field('hidden_act')),
    eps: positiveNumber(...field('layer_norm_eps')),
  };
  if (config.width % config.heads !== 0) {
    const found = `${config.width} with num_attention_heads ${config.heads}`;
    throw expectedButFound('ERR_FORMAT', 'a multiple of num_attention_heads', `hidden_size of ${path}`, found);
  }
  if (config.patch > config.image) {
    throw expected('ERR_FORMAT', `at most image_size ${config.image}`, `patch_size of ${path}`, config.patch);
  }
  if (integer('num_channels') !== 3) throw expected('ERR_UNSUPPORTED', '3', ...swap(field('num_channels')));
  return config;
}

function activation(value: unknown, where: string): ActivationName {
  const found = typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
  if (found) return found;
  throw expected('ERR_UNSUPPORTED', `one of ${Object.keys(ACTIVATIONS).join(', ')}`, where, value);
}

function swap<A, B>([a, b]: readonly [A, B]): [B, A] {
  return [b, a];
}
