import { type Graph, layerNorm, type Tensor } from '../graph';
import {
  exactScale,
  type NamedTensors,
  type PixelNormalization,
  quantizable,
  stack,
  stacked,
  type StoredTensor,
} from '../weights';
import { pixelEmbedding } from './pixel-embedding';
import { affineParameters, affineRows, type StoredAffine, takeAffine, takeNorm } from './stored-affine';
import type { Tower, TowerLayer } from './tower';
import type { TowerArchitecture } from './towers';

export interface TowerOptions {
  /** Side of the pictures, pixels. */
  readonly image: number;
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
  { image, folds }: TowerOptions,
): Tower {
  const { family, width, heads, patch, registers, eps, names } = architecture;
  const embedding = pixelEmbedding(architecture, tensors, pixels, image);
  const preNorm = names.preNorm === undefined ? undefined : takeNorm(tensors, names.preNorm, width, eps);
  const layers: TowerLayer[] = [];
  // The first that the file does not have ends this: a configuration may lie by any number.
  for (let i = 0; i < architecture.layers; i++) layers.push(encoderLayer(architecture, tensors, i, folds));
  tensors.expectNoOthers(names.notNeeded);
  return {
    family,
    width,
    heads,
    image,
    trainedImage: architecture.image,
    patch,
    tokens: embedding.tokens,
    hasClass: names.classToken !== undefined,
    registers,
    layers,
    embed(g: Graph, bytes: Tensor): Tensor {
      const x = embedding.embed(g, bytes);
      return preNorm ? layerNorm(g.scope('pre_norm'), x, preNorm, { dtype: g.options.stream }) : x;
    },
  };
}

function encoderLayer(architecture: TowerArchitecture, tensors: NamedTensors, i: number, folds: boolean): TowerLayer {
  const { width, mlpWidth, heads, eps, activation, gatedMlp = false, names } = architecture;
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
  const fc1 = takeAffine(tensors, at(layer.fc1), { out: gatedMlp ? 2 * mlpWidth : mlpWidth, inputs: width });
  const fc2 = takeAffine(tensors, at(layer.fc2), { out: width, inputs: mlpWidth });
  return {
    norm1,
    attention: {
      qkv: joint(at('qkv'), width, [q, k, v], [folded ?? 1]),
      output: affineParameters(output, outputScale),
      heads,
      scale: folded === undefined ? headWidth ** -0.5 : 1,
    },
    norm2,
    mlp: {
      fc1: affineParameters(fc1),
      fc2: affineParameters(fc2, scale(layer.fc2Scale)),
      activation,
      gated: gatedMlp,
    },
    frozen: {
      readKeyValue: () => ({
        weight: { data: stack([k.weight.read(), v.weight.read()]), rows: 2 * width, columns: width },
        bias: stack([readBias(k, width), readBias(v, width)]),
      }),
      readOutput: () => ({
        weight: { data: output.weight.read(), rows: width, columns: width },
        bias: readBias(output, width),
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
  if (typeof qkv !== 'string') {
    const [q, k, v] = qkv.map((name) => takeAffine(tensors, at(name), { out: width, inputs: width, bias: qkvBias }));
    return [q!, k!, v!];
  }
  const all = takeAffine(tensors, at(qkv), { out: 3 * width, inputs: width, bias: qkvBias });
  const part = (i: number): StoredAffine => affineRows(all, i * width, (i + 1) * width);
  return [part(0), part(1), part(2)];
}

/** q, k, v as one map, each times its factor. */
function joint(name: string, width: number, parts: readonly StoredAffine[], factors: readonly number[]) {
  const weights = parts.map(({ weight }) => weight);
  const biases = parts.map(({ bias }) => bias).filter((bias): bias is StoredTensor => bias !== undefined);
  return {
    weight: quantizable(stacked(`${name}.weight`, 'matrix', [3 * width, width], weights, factors)),
    bias: biases.length > 0 ? stacked(`${name}.bias`, 'vector', [3 * width], biases, factors) : undefined,
  };
}

function readBias({ bias }: StoredAffine, width: number): Float32Array {
  return bias?.read() ?? new Float32Array(width);
}
