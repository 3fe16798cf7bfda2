/** The three folders of a converted model: what is in their weight files and beside them. */
import path from 'node:path';
import { types } from 'node:util';
import { expected, expectedButFound } from '../errors';
import { normalization, readPreprocessorConfig } from '../image';
import { type JsonObject, readJsonObject } from '../json-file';
import { JsonFields } from '../json-fields';
import { isT5Config, readT5Config } from '../llm/t5/config';
import { openT5, QUESTION_EMBEDDING } from '../llm/t5/t5-model';
import { parseAdapterConfig } from '../models/adapter-config';
import { openAdapter } from '../models/adapter';
import { describeTower } from '../models/towers';
import { transformerTower } from '../models/transformer-tower';
import {
  adaptedEmbedding,
  adaptedMatrix,
  computedTensor,
  copied,
  type FoldContext,
  NamedTensors,
  type OutgoingTensor,
  type WeightParameter,
} from '../weights';
import { PREFIX, type PublishedTensors, withoutPrefix } from './published-keys';

/** Widths that the parts must agree on. */
export interface Sizes {
  /** C */
  readonly width: number;
  /** L */
  readonly layers: number;
}

const PREFIXES = [PREFIX, ''];

/** The published code's way with questions, and what it takes from the tower. */
const QUESTION = { features: 'encoder', normalization: 'qa-vit', max_tokens: 30 };

/**
 * @param folder of the tower
 * @returns `files` are those that belong beside its weights
 */
export async function towerPart(
  { tower }: PublishedTensors,
  folder: string,
): Promise<{ tensors: OutgoingTensor[]; sizes: Sizes; files: readonly string[] }> {
  const config = path.join(folder, 'config.json');
  const json = await readJsonObject(config);
  const architecture = describeTower(json, config);
  const { config: preprocessor, file } = await readPreprocessorConfig(folder, json.model_type);
  const named = NamedTensors.behindPrefix(tower, architecture.names.kernels);
  const { width, layers } = transformerTower(architecture, named, normalization(preprocessor), {
    image: { width: architecture.image, height: architecture.image },
    folds: true,
  });
  const tensors = [...tower.all].map((tensor) => copied(tensor.name.slice(tensor.name.indexOf(VISION_MODEL)), tensor));
  return { tensors, sizes: { width, layers: layers.length }, files: [config, file] };
}

const VISION_MODEL = 'vision_model.';

export function adapterPart(
  { adapter, fusedLayers }: PublishedTensors,
  { width, layers }: Sizes,
): { tensors: OutgoingTensor[]; json: JsonObject; questionWidth: number; languageWidth: number } {
  const named = NamedTensors.of(adapter, PREFIXES);
  const first = `vision.vision_tower.vision_model.encoder.layers.${fusedLayers[0]}.instruct_dim_reduce.0.weight`;
  const [questionWidth = 0] = named.shapeOf(first);
  const json = {
    layers: fusedLayers,
    instruction_dim: questionWidth,
    translation_mlp: { layers: 2, activation: 'relu' },
    vision_feature_layer: -1,
    keep_cls: true,
    question: QUESTION,
  };
  const { languageWidth = 0 } = openAdapter(parseAdapterConfig(json, adapter.path, layers), adapter, width);
  const tensors = [...adapter.all].map((tensor) => {
    const key = withoutPrefix(tensor.name);
    return copied(key.slice(key.startsWith('vision.') ? key.indexOf('encoder.') : 0), tensor);
  });
  return { tensors, json, questionWidth, languageWidth };
}

/**
 * @param config the language folder's config.json
 * @param alpha lora_alpha
 */
export async function languagePart(
  { language, lora, adapted }: PublishedTensors,
  config: string,
  alpha: number,
  context: FoldContext,
): Promise<{ tensors: OutgoingTensor[]; width: number }> {
  const fields = await JsonFields.read(config);
  if (!isT5Config(fields.value('model_type'))) {
    throw expected('ERR_UNSUPPORTED', 't5 or mt5', fields.where('model_type'), fields.value('model_type'));
  }
  const t5 = readT5Config(fields);
  openT5(t5, language, PREFIXES);
  const named = NamedTensors.of(lora, PREFIXES);
  const merged = (name: string, parameter: WeightParameter) =>
    computedTensor(name, parameter.shape, () => numbersOf(parameter, context));
  const matrices = [...adapted].flatMap(([module, adapter]): [string, OutgoingTensor][] => {
    if (module === 'shared') return [];
    const name = `${module}.weight`;
    const [out = 0, inputs = 0] = named.shapeOf(name);
    return [[name, merged(name, adaptedMatrix(named, module, [out, inputs], { alpha, adapter }))]];
  });
  const mergedByName = new Map(matrices);
  const tensors = [...language.all].map((tensor) => {
    const name = withoutPrefix(tensor.name);
    return mergedByName.get(name) ?? copied(name, tensor);
  });
  const adapter = adapted.get('shared');
  if (adapter === undefined) return { tensors, width: t5.width };
  const table = adaptedEmbedding(named, 'shared', [t5.vocabularySize, t5.width], { alpha, adapter });
  return { tensors: [...tensors, merged(QUESTION_EMBEDDING, table)], width: t5.width };
}

async function numbersOf(parameter: WeightParameter, context: FoldContext): Promise<Float32Array> {
  const { source } = await parameter.produce(context);
  if (types.isFloat32Array(source)) return source;
  throw expectedButFound('ERR_FORMAT', 'numbers that LoRA is merged into', parameter.name, 'another form');
}
