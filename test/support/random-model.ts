import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { floats, random } from './random';
import { f32, type TensorToWrite, writeSafetensors } from './safetensors-writer';

/** A small tower and adapter with random numbers. */
export interface RandomModelSize {
  width: number;
  heads: number;
  layers: number;
  mlp: number;
  patch: number;
  image: number;
  questionWidth: number;
  languageWidth: number;
}

export const SMALL: RandomModelSize = {
  width: 32,
  heads: 2,
  layers: 4,
  mlp: 64,
  patch: 8,
  image: 32,
  questionWidth: 24,
  languageWidth: 20,
};

type Tensors = Record<string, TensorToWrite>;

export interface RandomModelOptions extends Partial<RandomModelSize> {
  seed?: number;
  /** Fields over the written config.json of each part. */
  towerConfig?: Record<string, unknown>;
  adapterConfig?: Record<string, unknown>;
  /** Changes to the tensors before they are written. */
  tower?: (tensors: Tensors) => void;
  adapter?: (tensors: Tensors) => void;
}

/** Writes a tower folder and an adapter folder into `folder` and returns their paths. */
export function writeRandomModel(folder: string, options: RandomModelOptions = {}): { tower: string; adapter: string } {
  const size = { ...SMALL, ...options };
  const next = random(options.seed ?? 1);
  const tensor = (scale: number, ...shape: number[]): TensorToWrite =>
    f32(
      shape,
      floats(
        next,
        shape.reduce((a, b) => a * b, 1),
      ).map((value) => value * scale),
    );
  const [tower, adapter] = [path.join(folder, 'tower'), path.join(folder, 'adapter')];
  for (const directory of [tower, adapter]) mkdirSync(directory, { recursive: true });

  const towerTensors = towerOf(size, tensor);
  options.tower?.(towerTensors);
  writeSafetensors(path.join(tower, 'model.safetensors'), towerTensors);
  writeJson(path.join(tower, 'config.json'), {
    model_type: 'clip_vision_model',
    hidden_size: size.width,
    intermediate_size: size.mlp,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    patch_size: size.patch,
    image_size: size.image,
    ...options.towerConfig,
  });
  writeJson(path.join(tower, 'preprocessor_config.json'), {
    image_processor_type: 'CLIPImageProcessor',
    size: { shortest_edge: size.image },
    crop_size: { height: size.image, width: size.image },
  });

  const adapterTensors = adapterOf(size, tensor);
  options.adapter?.(adapterTensors);
  writeSafetensors(path.join(adapter, 'model.safetensors'), adapterTensors);
  writeJson(path.join(adapter, 'config.json'), {
    integration_point: 'late',
    instruction_dim: size.questionWidth,
    translation_mlp: { layers: 2, activation: 'relu' },
    ...options.adapterConfig,
  });
  return { tower, adapter };
}

/** An adapter with a token selector: for `adapter` of the options. */
export function withSelector(tensors: Record<string, TensorToWrite>): void {
  const [width = 0] = tensors['encoder.layers.2.self_attn.instruction_out_proj.bias']!.shape;
  tensors['token_selector.weight'] = f32([1, width], floats(random(77), width));
}

export function writeJson(file: string, value: unknown): void {
  writeFileSync(file, JSON.stringify(value));
}

type Make = (scale: number, ...shape: number[]) => TensorToWrite;

function towerOf({ width, mlp, layers, patch, image }: RandomModelSize, tensor: Make): Tensors {
  const all: Tensors = {
    'embeddings.class_embedding': tensor(1, width),
    'embeddings.patch_embedding.weight': tensor(0.1, width, 3, patch, patch),
    'embeddings.position_embedding.weight': tensor(1, Math.floor(image / patch) ** 2 + 1, width),
  };
  const norm = (name: string): void => {
    all[`${name}.weight`] = tensor(1, width);
    all[`${name}.bias`] = tensor(0.2, width);
  };
  const affine = (name: string, out: number, inputs: number): void => {
    all[`${name}.weight`] = tensor(1.5 / Math.sqrt(inputs), out, inputs);
    all[`${name}.bias`] = tensor(0.2, out);
  };
  norm('pre_layrnorm');
  norm('post_layernorm');
  for (let i = 0; i < layers; i += 1) {
    const layer = `encoder.layers.${i}`;
    for (const name of ['q_proj', 'k_proj', 'v_proj', 'out_proj']) affine(`${layer}.self_attn.${name}`, width, width);
    norm(`${layer}.layer_norm1`);
    norm(`${layer}.layer_norm2`);
    affine(`${layer}.mlp.fc1`, mlp, width);
    affine(`${layer}.mlp.fc2`, width, mlp);
  }
  return all;
}

/** Of the default integration point, late. */
function adapterOf({ width, layers, questionWidth, languageWidth }: RandomModelSize, tensor: Make): Tensors {
  const all: Tensors = {};
  for (let i = Math.floor(layers / 2); i < layers; i += 1) {
    const reduce = `encoder.layers.${i}.instruct_dim_reduce`;
    const attention = `encoder.layers.${i}.self_attn`;
    all[`${attention}.instruction_proj_gate`] = tensor(1, 1);
    all[`${attention}.instruction_out_proj.weight`] = tensor(1.5 / Math.sqrt(width), width, width);
    all[`${attention}.instruction_out_proj.bias`] = tensor(0.2, width);
    all[`${reduce}.0.weight`] = tensor(1, questionWidth);
    all[`${reduce}.0.bias`] = tensor(0.2, questionWidth);
    all[`${reduce}.1.weight`] = tensor(1.5 / Math.sqrt(questionWidth), width, questionWidth);
    all[`${reduce}.3.weight`] = tensor(2 / Math.sqrt(width), width, width);
  }
  const inputs = [width, languageWidth];
  for (const [i, columns] of inputs.entries()) {
    all[`translation_mlp.layers.${i}.weight`] = tensor(1.5 / Math.sqrt(columns), languageWidth, columns);
    all[`translation_mlp.layers.${i}.bias`] = tensor(0.2, languageWidth);
  }
  return all;
}
