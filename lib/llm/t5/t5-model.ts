import type { T5DecoderLayer } from '../../blocks/t5/decoder-layer';
import type { SelfAttention, T5EncoderLayer } from '../../blocks/t5/encoder-layer';
import type { FeedForward } from '../../blocks/t5/feed-forward';
import type { Affine, Parameter, RmsNorm } from '../../graph';
import { computed, embedding, NamedTensors, stacked, stored, type TensorSource } from '../../weights';
import type { T5Config } from './config';
import { biasByDistance } from './relative-bias';

/** A T5 described: its parameters by the names of T5ForConditionalGeneration. */
export interface T5Model {
  readonly config: T5Config;
  /** [V, E] */
  readonly embedding: Parameter;
  /** What questions are read by on their way to the tower: the same table, or the one that an adapter trained. */
  readonly questionEmbedding: Parameter;
  readonly encoder: Stack<T5EncoderLayer>;
  readonly decoder: Stack<T5DecoderLayer>;
  /** [V, E] */
  readonly head: Affine;
}

export interface Stack<Layer> {
  readonly layers: readonly Layer[];
  /** [H, 2R + 1] */
  readonly bias: Parameter;
  readonly norm: RmsNorm;
}

/** The published name of the second table, which QA-ViT's training adapts for questions alone. */
export const QUESTION_EMBEDDING = 'instruction_embedder.weight';

/** Copies of `shared`, the head where it is one, and a table that the first T5 checkpoints hold and never used. */
const NOT_NEEDED =
  /^((encoder|decoder)\.embed_tokens\.weight|decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight)$/;

/** @throws QAViTError ERR_FORMAT, ERR_SHAPE or ERR_DTYPE, naming the tensor, where they do not fit the configuration */
export function openT5(config: T5Config, source: TensorSource, prefixes: readonly string[] = ['']): T5Model {
  const tensors = NamedTensors.of(source, prefixes);
  const { width, vocabularySize } = config;
  const table = (name: string) => tensors.take(name, [vocabularySize, width]);
  const shared = table('shared.weight');
  const head = tensors.has('lm_head.weight') || !config.tied ? table('lm_head.weight') : shared;
  const read = new LayerReader(config, tensors);
  const words = embedding(shared);
  const model = {
    config,
    embedding: words,
    // Not a second parameter of the same table: a device would hold it twice.
    questionEmbedding: tensors.has(QUESTION_EMBEDDING) ? embedding(table(QUESTION_EMBEDDING)) : words,
    encoder: read.stack('encoder', config.encoderLayers, (at) => read.encoderLayer(at)),
    decoder: read.stack('decoder', config.decoderLayers, (at) => read.decoderLayer(at)),
    head: { weight: stored(head, 'matrix') },
  };
  tensors.expectNoOthers(NOT_NEEDED);
  return model;
}

class LayerReader {
  private readonly inner: number;

  constructor(
    private readonly config: T5Config,
    private readonly tensors: NamedTensors,
  ) {
    this.inner = config.heads * config.headWidth;
  }

  stack<Layer>(at: 'encoder' | 'decoder', count: number, read: (at: string) => Layer): Stack<Layer> {
    const { heads, buckets, maxDistance } = this.config;
    const name = `${at}.block.0.layer.0.SelfAttention.relative_attention_bias.weight`;
    const table = this.tensors.take(name, [buckets, heads]);
    const how = { buckets, maxDistance, bidirectional: at === 'encoder' };
    const bias = computed(name, 'table', [heads, 2 * maxDistance + 1], () => biasByDistance(table.read(), heads, how));
    const layers: Layer[] = [];
    // The first that the file does not have ends this: a configuration may lie by any number.
    for (let i = 0; i < count; i++) layers.push(read(`${at}.block.${i}.layer`));
    return { layers, bias, norm: this.norm(`${at}.final_layer_norm`) };
  }

  encoderLayer(at: string): T5EncoderLayer {
    return { attention: this.selfAttention(at), feedForward: this.feedForward(`${at}.1`) };
  }

  decoderLayer(at: string): T5DecoderLayer {
    const { width } = this.config;
    const cross = `${at}.1.EncDecAttention`;
    return {
      attention: this.selfAttention(at),
      cross: {
        norm: this.norm(`${at}.1.layer_norm`),
        query: this.matrix(`${cross}.q.weight`, this.inner, width),
        keyValue: this.stacked(`${cross}.kv.weight`, [`${cross}.k.weight`, `${cross}.v.weight`], this.inner),
        output: this.matrix(`${cross}.o.weight`, width, this.inner),
      },
      feedForward: this.feedForward(`${at}.2`),
    };
  }

  private selfAttention(at: string): SelfAttention {
    const own = `${at}.0.SelfAttention`;
    return {
      norm: this.norm(`${at}.0.layer_norm`),
      qkv: this.stacked(
        `${own}.qkv.weight`,
        ['q', 'k', 'v'].map((part) => `${own}.${part}.weight`),
        this.inner,
      ),
      output: this.matrix(`${own}.o.weight`, this.config.width, this.inner),
    };
  }

  private feedForward(at: string): FeedForward {
    const { width, feedForward, activation, gated } = this.config;
    const dense = `${at}.DenseReluDense`;
    return {
      norm: this.norm(`${at}.layer_norm`),
      input: gated
        ? this.stacked(`${dense}.wi.weight`, [`${dense}.wi_0.weight`, `${dense}.wi_1.weight`], feedForward)
        : this.matrix(`${dense}.wi.weight`, feedForward, width),
      output: this.matrix(`${dense}.wo.weight`, width, feedForward),
      activation,
      gated,
    };
  }

  private norm(name: string): RmsNorm {
    const { width, eps } = this.config;
    return { gamma: stored(this.tensors.take(`${name}.weight`, [width]), 'vector'), eps };
  }

  private matrix(name: string, out: number, inputs: number): Affine {
    return { weight: stored(this.tensors.take(name, [out, inputs]), 'matrix') };
  }

  /** Maps of the same rows [out, E], one behind another. */
  private stacked(name: string, parts: readonly string[], out: number): Affine {
    const { width } = this.config;
    const tensors = parts.map((part) => this.tensors.take(part, [out, width]));
    return { weight: stacked(name, 'matrix', [parts.length * out, width], tensors) };
  }
}
