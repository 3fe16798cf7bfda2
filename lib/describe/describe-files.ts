/** What a model's files say about it. Nothing is loaded: of weights the headers are read, and a few numbers. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ActivationName } from '../binding/native';
import { maxPatchesOf, readPreprocessorConfig } from '../image';
import type { Size } from '../image/geometry';
import { type JsonObject, readJsonObject } from '../json-file';
import { JsonFields } from '../json-fields';
import { readModelConfig } from '../llm/model-config';
import { isT5Folder } from '../llm/t5/t5-folder';
import { openAdapter } from '../models/adapter';
import { adapterImageSize, parseAdapterConfig, type TrainedOn } from '../models/adapter-config';
import { patchesOf, tokensBeforePatches } from '../models/tower';
import { visionTensors } from '../models/vision-language';
import { describeFolder } from '../models/vision-language/describe-folder';
import { openLanguageProjector } from '../models/vision-language/open-projector';
import { missingLanguageFiles } from '../llm/onnx/onnx-folder';
import { TensorFolder } from '../weights';
import type { LocatedPart, PartName } from './locate-parts';
import { summarize, type WeightSummary } from './weight-summary';

interface Described {
  readonly folder: string;
  readonly missing: readonly string[];
  readonly fix?: string;
  /** Absent where there are none. */
  readonly weights?: WeightSummary;
}

export interface DescribedTower extends Described {
  readonly family: string;
  readonly C: number;
  readonly L: number;
  readonly H: number;
  readonly mlpWidth: number;
  readonly activation: ActivationName;
  /** Of the pictures its position table was made for, pixels. */
  readonly trainedImage: Size;
  /** Patches that a picture consists of at most, where its folder says that each has a shape of its own. */
  readonly maxPatches?: number;
  /** Side of a patch, pixels. */
  readonly patch: number;
  /** Visual tokens of such a picture, or of one with so many patches. */
  readonly M: number;
  readonly hasClass: boolean;
  readonly registers: number;
  /** The vision-language model that it is part of, and what the folder lacks to be its language model too. */
  readonly visionLanguage?: { readonly name: string; readonly E?: number; readonly missing: readonly string[] };
  /** What is taken from it where an adapter does not say, as in transformers' hidden_states, and whether with the class token. */
  readonly hiddenLayer: number;
  readonly keepClass: boolean;
}

export interface DescribedAdapter extends Described {
  readonly fusedLayers: readonly number[];
  readonly Dq: number;
  /** tanh(beta) of each fused layer; absent without weights. */
  readonly gates?: readonly number[];
  /** E; null without a projector, absent without weights. */
  readonly E?: number | null;
  readonly hiddenLayer: number;
  /** Of the pictures it was trained on, where the tower's folder does not say. */
  readonly image?: TrainedOn['size'];
}

export interface DescribedLanguage extends Described {
  readonly kind: 'encoder-decoder' | 'decoder-only';
  readonly runtime: 'T5' | 'ONNX Runtime';
  readonly E?: number;
  readonly vocabularySize: number;
}

/** A part whose configuration is missing is described by what is missing alone. */
export interface ModelDescription {
  tower?: DescribedTower | Described;
  adapter?: DescribedAdapter | Described;
  language?: DescribedLanguage | Described;
}

/** @throws QAViTError for files that are there and damaged, or of a kind that is not supported, as loading them does */
export async function describeFiles(parts: readonly LocatedPart[]): Promise<ModelDescription> {
  const of = (name: PartName): LocatedPart | undefined => parts.find(({ part }) => part === name);
  const [tower, adapter, language] = [of('tower'), of('adapter'), of('language')];
  const described = tower && (await describePart(tower, towerFacts));
  const known = described && 'L' in described ? described : undefined;
  return {
    ...(described && { tower: described }),
    ...(adapter && { adapter: await describePart(adapter, (file, weights) => adapterFacts(file, weights, known)) }),
    ...(language && { language: await describePart(language, languageFacts) }),
  };
}

/** What is computed from a configuration file and, where they are there, the weights beside it. */
type Facts<T> = (file: string, weights: TensorFolder | undefined) => Promise<T | undefined>;

async function describePart<T extends object>(
  part: LocatedPart,
  facts: Facts<T>,
): Promise<(Described & T) | Described> {
  const { folder, missing, fix } = part;
  const own = { folder, missing, fix };
  if (missing.includes('config.json')) return own;
  const weights = missing.length === 0 && !(await hasGraphs(part)) ? await openWeights(part) : undefined;
  try {
    const found = await facts(path.join(folder, 'config.json'), weights);
    return { ...own, ...found, ...(weights && { weights: summarize(weights.all) }) };
  } finally {
    weights?.close();
  }
}

/** Of a tower that is part of a model the shards of its language half need not be there. */
async function openWeights({ part, folder }: LocatedPart): Promise<TensorFolder> {
  if (part !== 'tower') return TensorFolder.open(folder);
  return TensorFolder.open(folder, visionTensors(await readJsonObject(path.join(folder, 'config.json'))));
}

async function hasGraphs({ part, folder }: LocatedPart): Promise<boolean> {
  return part === 'language' && !(await isT5Folder(folder));
}

async function towerFacts(file: string, weights: TensorFolder | undefined) {
  const config = await readJsonObject(file);
  const { architecture, whole } = describeFolder(config, file);
  const { family, names, ...shape } = architecture;
  const { width: C, layers: L, heads: H, mlpWidth, activation, image, patch, registers } = shape;
  const hasClass = names.classToken !== undefined;
  const trainedImage = { width: image, height: image };
  const { rows, columns } = patchesOf(trainedImage, patch);
  const maxPatches = await ownShapesOf(path.dirname(file), config, patch);
  const { hiddenLayer, keepClass } = whole?.vision ?? { hiddenLayer: -1, keepClass: true };
  const facts = {
    family,
    C,
    L,
    H,
    mlpWidth,
    activation,
    trainedImage,
    ...(maxPatches !== undefined && { maxPatches }),
    patch,
    M: (maxPatches ?? rows * columns) + tokensBeforePatches({ hasClass, registers }),
    hasClass,
    registers,
    hiddenLayer,
    keepClass,
  };
  if (!whole) return facts;
  const E = weights && openLanguageProjector(whole.vision.projector, weights, C).languageWidth;
  const missing = await missingLanguageFiles(path.dirname(file));
  return { ...facts, visionLanguage: { name: whole.family.name, E, missing } };
}

/** Undefined where pictures have one size, or where nothing says how they are prepared. */
async function ownShapesOf(folder: string, config: JsonObject, patch: number): Promise<number | undefined> {
  const files = ['processor_config.json', 'preprocessor_config.json'];
  if (!files.some((name) => existsSync(path.join(folder, name)))) return undefined;
  const { config: preprocessor } = await readPreprocessorConfig(folder, config.model_type);
  return maxPatchesOf(preprocessor, patch) ?? undefined;
}

async function adapterFacts(file: string, weights: TensorFolder | undefined, tower: DescribedTower | undefined) {
  if (!tower) return undefined;
  const json = await readJsonObject(file);
  const config = parseAdapterConfig(json, file, tower.L, tower);
  const { layers: fusedLayers, questionWidth: Dq, hiddenLayer } = config;
  const facts = { fusedLayers, Dq, hiddenLayer, image: adapterImageSize(json, file)?.size };
  if (!weights) return facts;
  const { fusing, languageWidth } = openAdapter(config, weights, tower.C);
  const gates = fusedLayers.map((layer) => fusing.get(layer)?.gate ?? 0);
  return { ...facts, gates, E: languageWidth ?? tower.visionLanguage?.E ?? null };
}

async function languageFacts(file: string) {
  const { kind, width: E, vocabularySize } = readModelConfig(await JsonFields.read(file));
  const runtime = (await isT5Folder(path.dirname(file))) ? ('T5' as const) : ('ONNX Runtime' as const);
  return { kind, runtime, E, vocabularySize };
}
