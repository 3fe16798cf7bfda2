import type { ActivationName } from '../../binding/native';
import { expected, expectedButFound, type QAViTError } from '../../errors';
import type { JsonObject } from '../../json-file';
import { flag, integerBetween, positiveInteger, positiveNumber } from '../config-values';
import type { TowerShape } from './architecture';

/**
 * A hundred times any tower's. An adapter's layers are listed before a tensor is looked for, where there may be none: without a bound
 * their number fills the memory.
 */
const MAX_LAYERS = 4096;
/** As far from any tower's. */
const MAX_REGISTERS = 1024;

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

/** @throws QAViTError ERR_UNSUPPORTED for an activation by transformers' name that is not known */
export function activationNamed(value: unknown, where: string): ActivationName {
  const found = typeof value === 'string' && Object.hasOwn(ACTIVATIONS, value) ? ACTIVATIONS[value] : undefined;
  if (found) return found;
  throw expected('ERR_UNSUPPORTED', `one of ${Object.keys(ACTIVATIONS).join(', ')}`, where, value);
}

/**
 * The fields of a vision config by the names that most families have for them; a file leaves out what equals its class's default. Every
 * error names field and file.
 */
export class TowerFields {
  constructor(
    private readonly json: JsonObject,
    private readonly path: string,
    private readonly defaults: JsonObject,
    /** What this family calls some of them. */
    private readonly spelled: Readonly<Record<string, string>> = {},
  ) {}

  where(name: string): string {
    return `${this.nameOf(name)} of ${this.path}`;
  }

  integer(name: string): number {
    return positiveInteger(this.value(name), this.where(name));
  }

  /** Register tokens, of which a tower may have none. */
  registers(): number {
    const name = 'num_register_tokens';
    return integerBetween(0, MAX_REGISTERS, this.value(name), this.where(name));
  }

  number(name: string): number {
    return positiveNumber(this.value(name), this.where(name));
  }

  flag(name: string): boolean {
    return flag(this.value(name), this.where(name));
  }

  /** What every family spells alike. */
  shape(mlpWidth = this.integer('intermediate_size')): TowerShape {
    const shape = {
      width: this.integer('hidden_size'),
      mlpWidth,
      layers: integerBetween(1, MAX_LAYERS, this.value('num_hidden_layers'), this.where('num_hidden_layers')),
      heads: this.integer('num_attention_heads'),
      image: this.side('image_size'),
      patch: this.side('patch_size'),
      activation: activationNamed(this.value('hidden_act'), this.where('hidden_act')),
      eps: this.number('layer_norm_eps'),
    };
    if (shape.width % shape.heads !== 0) {
      throw this.wrongWidth(shape, `a multiple of ${this.nameOf('num_attention_heads')}`);
    }
    if (shape.patch > shape.image) {
      throw expected('ERR_FORMAT', `at most image_size ${shape.image}`, this.where('patch_size'), shape.patch);
    }
    const channels = this.value('num_channels') ?? 3;
    if (channels !== 3) throw expected('ERR_UNSUPPORTED', '3', this.where('num_channels'), channels);
    return shape;
  }

  /** Of a tower whose queries and keys are turned by rows and by columns, each a half of a head in pairs. */
  turnedShape(mlpWidth?: number): TowerShape {
    const shape = this.shape(mlpWidth);
    if ((shape.width / shape.heads) % 4 !== 0) throw this.wrongWidth(shape, 'heads of a multiple of 4');
    return shape;
  }

  private wrongWidth({ width, heads }: TowerShape, what: string): QAViTError {
    const found = `${width} with ${this.nameOf('num_attention_heads')} ${heads}`;
    return expectedButFound('ERR_FORMAT', what, this.where('hidden_size'), found);
  }

  /** A square: one number, or two that are equal. */
  private side(name: string): number {
    const value = this.value(name);
    if (!Array.isArray(value)) return this.integer(name);
    const sides = value.map((side: unknown) => positiveInteger(side, this.where(name)));
    const [height, width] = sides;
    if (sides.length === 2 && height !== undefined && height === width) return height;
    throw expected('ERR_UNSUPPORTED', 'a square', this.where(name), value);
  }

  /** Null means absent, as in transformers. */
  private value(name: string): unknown {
    const own = this.nameOf(name);
    return this.json[own] ?? this.defaults[own];
  }

  private nameOf(name: string): string {
    return this.spelled[name] ?? name;
  }
}
