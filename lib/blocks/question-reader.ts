import { type Affine, concatColumns, type Graph, layerNorm, linear, type Norm, type Tensor } from '../graph';

/**
 * The question's way into the fused layers. In each: LayerNorm(Dq) -> Linear(Dq -> C) -> GELU -> Linear(C -> C), then the layer's
 * frozen key and value projections. QA-ViT (arXiv 2402.05472), section 3.1.
 */
export type QuestionReader = FoldedReader | LayeredReader;

/** All layers at once: the statistics of the norm do not depend on the layer, and nothing stands between the last two maps. */
export interface FoldedReader {
  readonly eps: number;
  /** [Lf*C, Dq]: the first maps stacked, each with its norm's affine part in it. */
  readonly first: Affine;
  /** [Lf, 2C, C]: per layer [W_k; W_v] times its second map. */
  readonly second: Affine;
}

/** Layer by layer, as published. */
export interface LayeredReader {
  readonly layers: readonly {
    readonly norm: Norm;
    readonly first: Affine;
    readonly second: Affine;
    /** [2C, C] */
    readonly keyValue: Affine;
  }[];
}

/**
 * @param features f32 [B, K, Dq]
 * @returns [B, K, Lf*2C] in the compute dtype: per fused layer its keys, then its values
 */
export function readQuestion(g: Graph, features: Tensor, reader: QuestionReader): Tensor {
  if ('second' in reader) {
    const normed = layerNorm(g.scope('norm'), features, { eps: reader.eps });
    const hidden = linear(g.scope('first'), normed, reader.first, { activation: 'gelu_erf', as: 'Lf*C' });
    return linear(g.scope('second'), hidden, reader.second, { as: 'Lf*2C' });
  }
  const parts = reader.layers.map(({ norm, first, second, keyValue }, i) => {
    const layer = g.scope(i);
    const normed = layerNorm(layer.scope('norm'), features, norm);
    const hidden = linear(layer.scope('first'), normed, first, { activation: 'gelu_erf', as: 'C' });
    const rows = linear(layer.scope('second'), hidden, second, { as: 'C' });
    return linear(layer.scope('key_value'), rows, keyValue, { as: '2C' });
  });
  return concatColumns(g.scope('all'), parts, 'Lf*2C');
}
