import { type Affine, type Graph, layerNorm, type Tensor } from '../graph';
import type { Grid } from '../grid';
import type { Size } from '../image/geometry';
import {
  computed,
  exactScale,
  type NamedTensors,
  type PixelNormalization,
  stack,
  type WeightParameter,
} from '../weights';
import { pixelEmbedding } from './pixel-embedding';
import { rotaryPositions } from './rotary-positions';
import {
  affineParameters,
  affineRows,
  readBias,
  sideBySide,
  type StoredAffine,
  takeAffine,
  takeNorm,
} from './stored-affine';
import { patchesOf, type Tower, type TowerInput, type TowerLayer } from './tower';
import type { TowerArchitecture } from './towers';

export interface TowerOptions {
  /** Of the pictures, pixels. */
  readonly image: Size;
  /** Whether those of other sizes come, too; `one` unless given. */
  readonly sizes?: 'one' | 'several';
  /** False keeps D^-0.5 out of the weights, for tests of the fold. */
  readonly folds: boolean;
}

/**
 * A pre-LN vision transformer from the tensors of a file, whatever its family.
 *
 * @throws QAViTError ERR_FORMAT or ERR_SHAPE, naming the tensor, where they do not fit the architecture
 */
export function transformerTower(
  architecture: TowerArchitecture,
  tensors: NamedTensors,
  pixels: PixelNormalization,
  { image, sizes = 'one', folds }: TowerOptions,
): Tower {
  const { family, width, heads, patch, registers, eps, names } = architecture;
  const embedding = pixelEmbedding(architecture, tensors, pixels, sizes);
  const preNorm = names.preNorm === undefined ? undefined : takeNorm(tensors, names.preNorm, width, eps);
  const layers: TowerLayer[] = [];
  // The first that the file does not have ends this: a configuration may lie by any number.
  for (let i = 0; i < architecture.layers; i++) layers.push(encoderLayer(architecture, tensors, i, folds));
  tensors.expectNoOthers(names.notNeeded);
  const trained = { width: architecture.image, height: architecture.image };
  return {
    ...inputOf(image),
    family,
    width,
    heads,
    positions: positionsOf(architecture),
    // Without a table every size is as good.
    trainedImage: names.positions === undefined ? image : trained,
    patch,
    hasClass: names.classToken !== undefined,
    registers,
    layers,
    at: inputOf,
  };

  function inputOf(size: Size): TowerInput {
    const grid = patchesOf(size, patch);
    const embedded = embedding(grid);
    const { tokens, table } = embedded;
    const rotary = rotaryParameter(architecture, grid);
    return {
      image: size,
      grid,
      tokens,
      rotary,
      tables: rotary ? [table, rotary] : [table],
      embed(g: Graph, bytes: Tensor): Tensor {
        const x = embedded.embed(g, bytes);
        return preNorm ? layerNorm(g.scope('pre_norm'), x, preNorm, { dtype: g.options.stream }) : x;
      },
    };
  }
}

function positionsOf({ rotary, names }: TowerArchitecture): Tower['positions'] {
  if (rotary === undefined) return 'table';
  return names.positions === undefined ? 'rotary' : 'both';
}

/** One for all layers. */
function rotaryParameter({ width, heads, rotary }: TowerArchitecture, grid: Grid): WeightParameter | undefined {
  if (rotary === undefined) return undefined;
  const [patches, headWidth] = [grid.rows * grid.columns, width / heads];
  return computed('rotary', 'table', [patches, headWidth], () => rotaryPositions(grid, headWidth, rotary));
}

function encoderLayer(architecture: TowerArchitecture, tensors: NamedTensors, i: number, folds: boolean): TowerLayer {
  const { width, heads, eps, activation, gatedMlp = false, names } = architecture;
  const { layer } = names;
  const at = (name: string): string => `${names.layers}.${i}.${name}`;
  const scale = (name: string | undefined) => (name === undefined ? undefined : tensors.take(at(name), [width]));
  const headWidth = width / heads;
  const folded = folds ? exactScale(headWidth) : undefined;
  const norm1 = takeNorm(tensors, at(layer.norm1), width, eps);
  const [q, k, v] = takeQkv(architecture, tensors, at);
  const output = takeAffine(tensors, at(layer.output), { out: width, inputs: width });
  const outputScale = scale(layer.outputScale);
  const norm2 = takeNorm(tensors, at(layer.norm2), width, eps);
  const fc1 = takeFirstMap(architecture, tensors, at);
  const fc2 = takeAffine(tensors, at(layer.fc2), { out: width, inputs: architecture.mlpWidth });
  return {
    norm1,
    attention: {
      qkv: sideBySide(at('qkv'), [q, k, v], [folded ?? 1]),
      output: affineParameters(output, outputScale),
      heads,
      scale: folded === undefined ? headWidth ** -0.5 : 1,
    },
    norm2,
    mlp: {
      fc1,
      fc2: affineParameters(fc2, scale(layer.fc2Scale)),
      activation,
      gated: gatedMlp,
    },
    frozen: {
      readKeyValue: () => ({
        weight: { data: stack([k.weight.read(), v.weight.read()]), rows: 2 * width, columns: width },
        bias: stack([readBias(k), readBias(v)]),
      }),
      readOutput: () => ({
        weight: { data: output.weight.read(), rows: width, columns: width },
        bias: readBias(output),
      }),
      readOutputScale: outputScale && (() => outputScale.read()),
    },
  };
}

function takeQkv(
  { width, qkvBias, names }: TowerArchitecture,
  tensors: NamedTensors,
  at: (name: string) => string,
): [StoredAffine, StoredAffine, StoredAffine] {
  const { qkv } = names.layer;
  const biases = typeof qkvBias === 'boolean' ? ([qkvBias, qkvBias, qkvBias] as const) : qkvBias;
  if (typeof qkv !== 'string') {
    const take = (i: 0 | 1 | 2) => takeAffine(tensors, at(qkv[i]), { out: width, inputs: width, bias: biases[i] });
    return [take(0), take(1), take(2)];
  }
  const all = takeAffine(tensors, at(qkv), { out: 3 * width, inputs: width, bias: biases[0] });
  const part = (i: number): StoredAffine => affineRows(all, i * width, (i + 1) * width);
  return [part(0), part(1), part(2)];
}

/** The MLP's; gated, the gate's and the value's as one. */
function takeFirstMap(
  { width, mlpWidth, gatedMlp, names }: TowerArchitecture,
  tensors: NamedTensors,
  at: (name: string) => string,
): Affine {
  const { fc1 } = names.layer;
  if (typeof fc1 === 'string') {
    const out = gatedMlp ? 2 * mlpWidth : mlpWidth;
    return affineParameters(takeAffine(tensors, at(fc1), { out, inputs: width }));
  }
  const parts = fc1.map((name) => takeAffine(tensors, at(name), { out: mlpWidth, inputs: width }));
  return sideBySide(at('mlp.fc1'), parts);
}
