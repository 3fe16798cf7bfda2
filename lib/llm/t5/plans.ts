/** The graphs that the engine compiles, one a shape key. */
import { crossKeyValue, t5DecoderLayer } from '../../blocks/t5/decoder-layer';
import { t5EncoderLayer } from '../../blocks/t5/encoder-layer';
import {
  appendRows,
  concatRows,
  copy,
  type Dim,
  dim,
  embedRows,
  gatherRows,
  Graph,
  type GraphOptions,
  linear,
  rmsNorm,
  type Tensor,
} from '../../graph';
import type { T5Model } from './t5-model';

const ONE = dim('1', 1);

/** Rows of a prompt: text, visual tokens, text. The last text is padded. */
export interface PromptSize {
  readonly before: number;
  readonly visual: number;
  readonly after: number;
}

/** Layers of the encoder, from one up to another. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Reads a prompt, or a piece of the way: the layers of `range`.
 *
 * Inputs: before i32 [K1], visual f32 [N, E], after i32 [K2], each where there is one, or what the piece before gave; the number of
 * rows that count.
 * Outputs: the rows [1, M, E] as the next piece takes them, or from the last each decoder layer's keys and values of the prompt, [1, M, 2I].
 */
export function readPlan(model: T5Model, options: GraphOptions, size: PromptSize, range: LayerRange): Graph {
  const g = Graph.create('read', options);
  const start =
    range.from === 0 ? promptRows(g, model, size) : g.input(options.stream, [ONE, rowsOf(size), widthOf(model)]);
  const rows = encode(g, model, start, range);
  if (range.to < model.encoder.layers.length) {
    g.output(rows);
    return g;
  }
  const normed = rmsNorm(g.scope('final_layer_norm'), rows, model.encoder.norm);
  model.decoder.layers.forEach((layer, i) => g.output(crossKeyValue(g.scope('decoder').scope(i), normed, layer)));
  return g;
}

function promptRows(g: Graph, model: T5Model, { before, visual, after }: PromptSize): Tensor {
  const text = (count: number) =>
    embedRows(g.scope('shared'), model.embedding, g.input('i32', [ONE, ONE, dim('K', count)]));
  const parts: Tensor[] = [];
  if (before > 0) parts.push(text(before));
  parts.push(g.input('f32', [ONE, dim('N', visual), widthOf(model)]));
  if (after > 0) parts.push(text(after));
  return concatRows(g.scope('prompt'), parts, 'M');
}

const rowsOf = ({ before, visual, after }: PromptSize): Dim => dim('M', before + visual + after);

const widthOf = ({ config }: T5Model): Dim => dim('E', config.width);

/** Inputs: question i32 [K]; with 'encoder' also how many of them count. Outputs: its features f32 [1, K, E]. */
export function featuresPlan(
  model: T5Model,
  options: GraphOptions,
  tokens: number,
  features: 'encoder' | 'embedding',
): Graph {
  const g = Graph.create('features', options);
  const index = g.input('i32', [ONE, ONE, dim('K', tokens)]);
  const rows = embedRows(g.scope('instruction_embedder'), model.questionEmbedding, index);
  const found =
    features === 'embedding'
      ? copy(g.scope('output'), rows, { dtype: 'f32' })
      : rmsNorm(g.scope('final_layer_norm'), encode(g, model, rows, allLayers(model)), model.encoder.norm, {
          dtype: 'f32',
        });
  g.output(found);
  return g;
}

export const allLayers = ({ encoder }: T5Model): LayerRange => ({ from: 0, to: encoder.layers.length });

/** Reads the number of rows that count as the next input. */
function encode(g: Graph, { encoder, config }: T5Model, rows: Tensor, { from, to }: LayerRange): Tensor {
  const settings = { heads: config.heads, bias: encoder.bias, lengths: g.input('i32', [ONE, ONE, ONE]) };
  const scope = g.scope('encoder');
  return encoder.layers
    .slice(from, to)
    .reduce((x, layer, i) => t5EncoderLayer(scope.scope(from + i), x, layer, settings), rows);
}

/** Answers that are written together have slots in common tensors. */
export interface StepSize {
  /** S */
  readonly slots: number;
  /** N: rows that each cache has room for. */
  readonly capacity: number;
  /** M, padded. */
  readonly prompt: number;
}

/**
 * Inputs, i32 [S]: the token said last in each slot; how many were before it, how many are there with it, how many rows of the prompt
 * count. Then for each layer the prompts' keys and values, and the caches, a state.
 * Outputs: logits f32 [S, 1, V].
 */
export function stepPlan(model: T5Model, options: GraphOptions, { slots, capacity, prompt }: StepSize): Graph {
  const { config, decoder } = model;
  const g = Graph.create('step', options);
  const answers = dim('S', slots);
  const counts = () => g.input('i32', [ONE, ONE, answers]);
  const [tokens, position, lengths, crossLengths] = [counts(), counts(), counts(), counts()];
  const settings = { heads: config.heads, bias: decoder.bias, position, lengths, crossLengths };
  const width = keyValueWidth(model);
  const scope = g.scope('decoder');
  const start = embedRows(g.scope('shared'), model.embedding, tokens).splitRows(answers, '1');
  const rows = decoder.layers.reduce((x, layer, i) => {
    const cross = g.input(options.dtype, [answers, dim('M', prompt), width]);
    const cache = g.state(options.dtype, [answers, dim('N', capacity), width]);
    return t5DecoderLayer(scope.scope(i), x, layer, { cross, cache }, settings);
  }, start);
  const normed = rmsNorm(scope.scope('final_layer_norm'), rows, decoder.norm);
  g.output(linear(g.scope('lm_head'), normed, model.head, { alpha: config.scale, dtype: 'f32', as: 'V' }));
  return g;
}

/** Inputs: caches [S, N, 2I]. Outputs: caches [S, 2N, 2I] that begin with them; what follows has no meaning yet. */
export function growPlan(
  model: T5Model,
  options: GraphOptions,
  { slots, capacity }: Pick<StepSize, 'slots' | 'capacity'>,
): Graph {
  const g = Graph.create('grow', options);
  model.decoder.layers.forEach((_, i) => {
    const cache = g.input(options.dtype, [dim('S', slots), dim('N', capacity), keyValueWidth(model)]);
    // Every element of a result has to be written: the old rows serve for the new ones, too.
    g.output(concatRows(g.scope(i), [cache, cache], '2N', options.dtype));
  });
  return g;
}

/** Inputs: which slot each new slot comes from, i32 [S']; tensors [S, rows, 2I]. Outputs: the same of [S', rows, 2I]. */
export function regroupPlan(
  model: T5Model,
  options: GraphOptions,
  { slots, wanted, rows, tensors }: { slots: number; wanted: number; rows: number; tensors: number },
): Graph {
  const g = Graph.create('regroup', options);
  const index = g.input('i32', [ONE, ONE, dim("S'", wanted)]);
  for (let i = 0; i < tensors; i++) {
    const source = g.input(options.dtype, [dim('S', slots), dim('rows', rows), keyValueWidth(model)]);
    g.output(gatherRows(g.scope(i), source, index));
  }
  return g;
}

/** Inputs: the slot's first row i32 [1]; for each layer the prompts [S, M, 2I] of all slots, a state, and the new one's [1, M, 2I]. */
export function admitPlan(
  model: T5Model,
  options: GraphOptions,
  { slots, prompt }: Pick<StepSize, 'slots' | 'prompt'>,
): Graph {
  const g = Graph.create('admit', options);
  const position = g.input('i32', [ONE, ONE, ONE]);
  const width = keyValueWidth(model);
  model.decoder.layers.forEach((_, i) => {
    const all = g.state(options.dtype, [dim('S', slots), dim('M', prompt), width]);
    appendRows(g.scope(i), all.mergeSamples('S*M'), g.input(options.dtype, [ONE, dim('M', prompt), width]), position);
  });
  return g;
}

function keyValueWidth({ config }: T5Model): Dim {
  return dim('2I', 2 * config.heads * config.headWidth);
}
