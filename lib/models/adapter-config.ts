import { expected, expectedButFound } from '../errors';
import { isJsonObject, type JsonObject } from '../json-file';
import type { Size } from '../image/geometry';
import { choice, flag, integerBetween, positiveInteger } from './config-values';
import { MAX_IMAGE_SIZE } from './tower';

/** Which layers fuse, by the names of the paper's ablation and the published code. */
export const INTEGRATION_POINTS = ['late', 'all', 'early', 'late2', 'late3', 'sparse'] as const;
export type IntegrationPoint = (typeof INTEGRATION_POINTS)[number];

const FUSES: Readonly<Record<IntegrationPoint, (layer: number, layers: number) => boolean>> = {
  late: (layer, layers) => layer >= Math.floor(layers / 2),
  all: () => true,
  early: (layer, layers) => layer < Math.floor(layers / 2),
  late2: (layer, layers) => layer >= Math.floor((3 * layers) / 4),
  late3: (layer, layers) => layer >= Math.floor(layers / 4),
  sparse: (layer) => layer % 2 === 0,
};

/** How question features are made from text. */
export interface QuestionConfig {
  /** The language model's encoder, or its embedding alone. */
  readonly features: 'encoder' | 'embedding';
  /** The published code's cleaning of a question, or none. */
  readonly normalization: 'qa-vit' | 'none';
  readonly maxTokens: number;
}

/** An adapter's config.json, checked against its tower. */
export interface AdapterConfig {
  /** Fused layers, ascending. */
  readonly layers: readonly number[];
  /** Dq */
  readonly questionWidth: number;
  readonly projector?: { readonly layers: number; readonly activation: 'relu' | 'gelu' };
  /** As in transformers' hidden_states: 0 is the input of layer 0, -1 the output of the last layer. */
  readonly hiddenLayer: number;
  readonly keepClass: boolean;
  readonly question: QuestionConfig;
}

/** Indices of the fused layers of a tower with `layers` layers, ascending. */
export function integrationLayers(point: IntegrationPoint, layers: number): number[] {
  return Array.from({ length: layers }, (_, i) => i).filter((i) => FUSES[point](i, layers));
}

/**
 * @param layers L of the tower it belongs to
 * @param taken what is taken from the tower where the file does not say
 * @throws QAViTError ERR_FORMAT for a field that makes no sense
 */
export function parseAdapterConfig(
  json: JsonObject,
  path: string,
  layers: number,
  taken: Pick<AdapterConfig, 'hiddenLayer' | 'keepClass'> = { hiddenLayer: -1, keepClass: true },
): AdapterConfig {
  const hiddenLayer = integerBetween(
    -layers - 1,
    layers,
    json.vision_feature_layer ?? taken.hiddenLayer,
    `vision_feature_layer of ${path}`,
  );
  return {
    layers: fusedLayers(json, path, layers),
    questionWidth: positiveInteger(json.instruction_dim, `instruction_dim of ${path}`),
    projector: projector(json.translation_mlp, `translation_mlp of ${path}`),
    hiddenLayer,
    keepClass: flag(json.keep_cls ?? taken.keepClass, `keep_cls of ${path}`),
    question: question(json.question ?? {}, `question of ${path}`),
  };
}

/** Which pictures an adapter was trained on: of one size, or each in its own shape. */
export interface TrainedOn {
  readonly size: Size | { readonly maxPatches: number };
  /** Names the field. */
  readonly where: string;
}

/**
 * Undefined where they are what the tower's folder says.
 *
 * @throws QAViTError ERR_FORMAT
 */
export function adapterImageSize({ image_size: size }: JsonObject, path: string): TrainedOn | undefined {
  const where = `image_size of ${path}`;
  if (size === undefined || size === null) return undefined;
  const edge = (value: unknown, at: string): number => integerBetween(1, MAX_IMAGE_SIZE, value, at);
  if (isJsonObject(size)) {
    const { width, height, max_patches: most } = size;
    if (most !== undefined && (width ?? height) !== undefined) {
      throw expectedButFound('ERR_FORMAT', 'width and height, or max_patches,', where, 'both');
    }
    if (most !== undefined) {
      return { size: { maxPatches: integerBetween(1, 2 ** 31, most, `max_patches in ${where}`) }, where };
    }
    return { size: { width: edge(width, `width in ${where}`), height: edge(height, `height in ${where}`) }, where };
  }
  if (Array.isArray(size)) throw expected('ERR_FORMAT', 'a number, or width and height by name,', where, size);
  const side = edge(size, where);
  return { size: { width: side, height: side }, where };
}

function fusedLayers({ integration_point: point, layers: list }: JsonObject, path: string, layers: number): number[] {
  if (point !== undefined && list !== undefined) {
    throw expectedButFound('ERR_FORMAT', 'integration_point or layers', path, 'both');
  }
  if (list === undefined) {
    return integrationLayers(choice(INTEGRATION_POINTS, point ?? 'late', `integration_point of ${path}`), layers);
  }
  if (!Array.isArray(list) || list.length === 0) {
    throw expected('ERR_FORMAT', 'a list of layer numbers', `layers of ${path}`, list);
  }
  const numbers = list.map((item: unknown) => integerBetween(0, layers - 1, item, `layers of ${path}`));
  return [...new Set(numbers)].sort((a, b) => a - b);
}

function projector(json: unknown, where: string): AdapterConfig['projector'] {
  if (json === undefined || json === null) return undefined;
  if (!isJsonObject(json)) throw expected('ERR_FORMAT', 'an object', where, json);
  return {
    layers: integerBetween(1, 2, json.layers, `layers in ${where}`),
    activation: choice(['relu', 'gelu'], json.activation ?? 'relu', `activation in ${where}`),
  };
}

function question(json: unknown, where: string): QuestionConfig {
  if (!isJsonObject(json)) throw expected('ERR_FORMAT', 'an object', where, json);
  return {
    features: choice(['encoder', 'embedding'], json.features ?? 'encoder', `features in ${where}`),
    normalization: choice(['qa-vit', 'none'], json.normalization ?? 'qa-vit', `normalization in ${where}`),
    // The published code's limit.
    maxTokens: positiveInteger(json.max_tokens ?? 30, `max_tokens in ${where}`),
  };
}
