/**
 * One encoding in three parts, cut where reuse happens: `look` depends on the picture alone, `listen` on the question alone, `fuse`
 * on both. Each function describes what it computes; nothing runs here.
 */
import { encoderLayer, type LayerQuestion } from '../blocks/encoder-layer';
import { project } from '../blocks/projector';
import { readQuestion } from '../blocks/question-reader';
import { copy, type Graph, type Tensor } from '../graph';
import type { VisionModel } from './qavit';
import { tokensBeforePatches } from './tower';

/** The first layer that may not be computed before the question is known. */
export function firstFused({ fused, stop }: VisionModel): number {
  return fused[0] ?? stop;
}

/**
 * The layers below the first fused one.
 *
 * @param pixels u8 [B, image height, image width * 3]
 * @returns residual stream [B, M, C]
 */
export function look(g: Graph, model: VisionModel, pixels: Tensor): Tensor {
  return layers(g, model, model.embed(g, pixels), 0, firstFused(model));
}

/**
 * A question's keys and values in all fused layers.
 *
 * @param features f32 [B, K, Dq]
 * @returns [B, K, Lf*2C]
 */
export function listen(g: Graph, { reader }: VisionModel, features: Tensor): Tensor {
  if (!reader) throw g.wrongArgument('linear', 'a model with fused layers', 'one without');
  return readQuestion(g.scope('question'), features, reader);
}

export interface Heard {
  /** What listen() returned, [B, K, Lf*2C]. */
  readonly keyValues: Tensor;
  /** i32 [1, 1, B] */
  readonly lengths: Tensor;
  /** Gets each fused layer's map of attention to the question. */
  readonly watch?: (layer: number, map: Tensor) => void;
}

/**
 * The layers from the first fused one on; without a question they are the plain tower's.
 *
 * @param stream residual stream [B, M, C], from look()
 * @returns [B, M, C]
 */
export function finish(g: Graph, model: VisionModel, stream: Tensor, heard?: Heard): Tensor {
  return layers(g, model, stream, firstFused(model), model.stop, heard);
}

/**
 * What may be handed over.
 *
 * @param stream [B, M, C]
 * @returns f32 [B, N, E], or [B, N, C] with 'tower'; then the ratings f32 [B, N, 1], where there is a selector
 */
export function handOver(
  g: Graph,
  model: VisionModel,
  stream: Tensor,
  output: 'projected' | 'tower',
): [taken: Tensor, ratings?: Tensor] {
  const dropped = model.keepClass ? 0 : tokensBeforePatches(model);
  const tokens = dropped > 0 ? stream.sliceRows(dropped, stream.rows.size, 'N') : stream;
  const taken =
    output === 'tower' || !model.projector
      ? copy(g.scope('output'), tokens, { dtype: 'f32' })
      : project(g.scope('translation_mlp'), tokens, model.projector, model.grid);
  const { selector } = model;
  if (!selector) return [taken];
  return [taken, project(g.scope('token_selector'), tokens, { layers: [selector], activation: 'none' }, model.grid)];
}

function layers(g: Graph, model: VisionModel, stream: Tensor, start: number, end: number, heard?: Heard): Tensor {
  const { rotary } = model;
  return model.layers.slice(start, end).reduce((x, layer, i) => {
    const scope = g.scope('layers').scope(start + i);
    return encoderLayer(scope, x, layer, { question: question(model, start + i, heard), rotary });
  }, stream);
}

/** The columns of the question's keys and values that belong to one layer. */
function question({ fused, width }: VisionModel, layer: number, heard: Heard | undefined): LayerQuestion | undefined {
  const position = fused.indexOf(layer);
  if (!heard || position < 0) return undefined;
  const { keyValues, lengths, watch } = heard;
  const start = position * 2 * width;
  return {
    k: keyValues.sliceColumns(start, start + width, 'C'),
    v: keyValues.sliceColumns(start + width, start + 2 * width, 'C'),
    lengths,
    watch: watch && ((map) => watch(layer, map)),
  };
}
