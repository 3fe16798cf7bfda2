import { type Affine, type Graph, layerNorm, type Norm, patchEmbed, type Tensor } from '../graph';
import {
  computed,
  exactScale,
  foldPixels,
  type FoldContext,
  type NamedTensors,
  type PixelNormalization,
  quantizable,
  stack,
  stacked,
  stored,
  type StoredTensor,
} from '../weights';
import type { ClipVisionConfig } from './clip-config';
import type { AffineNumbers, Tower, TowerLayer } from './tower';

/** A name that every CLIP vision file holds, behind whatever prefix. */
export const CLIP_LANDMARK = 'embeddings.patch_embedding.weight';

/** In every file, and not part of what QA-ViT takes from a tower. */
const NOT_NEEDED = /^(post_layernorm\.(weight|bias)|embeddings\.position_ids)$/;

export interface ClipOptions {
  /** False keeps D^-0.5 out of the weights, for tests of the fold. */
  readonly folds: boolean;
}

/**
 * CLIP's vision transformer (Radford et al. 2021, arXiv 2103.00020), from the tensors of a CLIPVisionModel.
 *
 * @throws QAViTError ERR_FORMAT or ERR_SHAPE, naming the tensor, where they do not fit the configuration
 */
export function clipTower(
  config: ClipVisionConfig,
  tensors: NamedTensors,
  pixels: PixelNormalization,
  options: ClipOptions = { folds: true },
): Tower {
  const { width, heads, image, patch } = config;
  const tokens = Math.floor(image / patch) ** 2 + 1;
  const embeddings = pixelEmbedding(config, tokens, tensors, pixels);
  const preNorm = norm(tensors, 'pre_layrnorm', config); // the checkpoints' own spelling
  const layers = Array.from({ length: config.layers }, (_, i) => encoderLayer(config, tensors, i, options));
  tensors.expectNoOthers(NOT_NEEDED);
  return {
    width,
    heads,
    image,
    patch,
    tokens,
    hasClass: true,
    layers,
    embed(g: Graph, bytes: Tensor): Tensor {
      const x = patchEmbed(g.scope('embeddings'), bytes, embeddings, { patch, hasClass: true });
      return layerNorm(g.scope('pre_layrnorm'), x, preNorm, { dtype: g.options.stream });
    },
  };
}

function pixelEmbedding(config: ClipVisionConfig, tokens: number, tensors: NamedTensors, pixels: PixelNormalization) {
  const { width, patch } = config;
  const kernels = tensors.take('embeddings.patch_embedding.weight', [width, 3, patch, patch]);
  const classToken = tensors.take('embeddings.class_embedding', [width]);
  const positions = tensors.take('embeddings.position_embedding.weight', [tokens, width]);
  const fold = ({ dtype }: FoldContext) => {
    const embedding = { kernels: kernels.read(), classToken: classToken.read(), positions: positions.read(), width, patch };
    return foldPixels(embedding, pixels, dtype);
  };
  return {
    weight: computed(kernels.name, 'matrix', [width, patch * patch * 3], (context) => fold(context).weight),
    table: computed(positions.name, 'table', [tokens, width], (context) => fold(context).table),
  };
}

function encoderLayer(config: ClipVisionConfig, tensors: NamedTensors, i: number, { folds }: ClipOptions): TowerLayer {
  const { width, mlpWidth, heads } = config;
  const at = `encoder.layers.${i}`;
  const headWidth = width / heads;
  const folded = folds ? exactScale(headWidth) : undefined;
  const [q, k, v, out] = ['q_proj', 'k_proj', 'v_proj', 'out_proj'].map((name) =>
    affine(tensors, `${at}.self_attn.${name}`, width, width),
  ) as [StoredAffine, StoredAffine, StoredAffine, StoredAffine];
  const factors = [folded ?? 1];
  return {
    norm1: norm(tensors, `${at}.layer_norm1`, config),
    attention: {
      qkv: {
        weight: quantizable(
          stacked(
            `${at}.self_attn.qkv.weight`,
            'matrix',
            [3 * width, width],
            [q.weight, k.weight, v.weight],
            factors,
          ),
        ),
        bias: stacked(`${at}.self_attn.qkv.bias`, 'vector', [3 * width], [q.bias, k.bias, v.bias], factors),
      },
      output: parameters(out),
      heads,
      scale: folded === undefined ? headWidth ** -0.5 : 1,
    },
    norm2: norm(tensors, `${at}.layer_norm2`, config),
    mlp: {
      fc1: parameters(affine(tensors, `${at}.mlp.fc1`, mlpWidth, width)),
      fc2: parameters(affine(tensors, `${at}.mlp.fc2`, width, mlpWidth)),
      activation: config.activation,
    },
    frozen: {
      readKeyValue: () => ({
        weight: { data: stack([k.weight.read(), v.weight.read()]), rows: 2 * width, columns: width },
        bias: stack([k.bias.read(), v.bias.read()]),
      }),
      readOutput: (): AffineNumbers => ({
        weight: { data: out.weight.read(), rows: width, columns: width },
        bias: out.bias.read(),
      }),
    },
  };
}

interface StoredAffine {
  readonly weight: StoredTensor;
  readonly bias: StoredTensor;
}

function affine(tensors: NamedTensors, name: string, out: number, inputs: number): StoredAffine {
  return { weight: tensors.take(`${name}.weight`, [out, inputs]), bias: tensors.take(`${name}.bias`, [out]) };
}

function parameters({ weight, bias }: StoredAffine): Affine {
  return { weight: quantizable(stored(weight, 'matrix')), bias: stored(bias, 'vector') };
}

function norm(tensors: NamedTensors, name: string, { width, eps }: ClipVisionConfig): Norm {
  const vector = (part: string) => stored(tensors.take(`${name}.${part}`, [width]), 'vector');
  return { gamma: vector('weight'), beta: vector('bias'), eps };
}
