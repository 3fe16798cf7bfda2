/** Which of a model's files qavit reads. Asked of a folder it says what is missing there; of a hub, what to fetch. */
import { isJsonObject, type JsonObject } from '../json-file';
import { graphFiles, type OnnxDType } from '../llm/onnx/onnx-folder';
import { isT5Config } from '../llm/t5/config';
import { TABLE } from '../llm/text-rows';
import { isTowerConfig, TOWER_MODEL_TYPES } from '../models/towers';
import { unknownModel } from '../models/unknown-model';
import { VISION_LANGUAGE_MODEL_TYPES, visionLanguageFamily, visionTensors } from '../models/vision-language';
import { shardsOf, type Storage, storageOf, STORAGES } from '../weights';
import { type Part, partFolder, PARTS } from './parts';
import { tokenizerFile } from './tokenizer-file';

/**
 * What a model is wanted for; `model` is whole, a vision-language model, or a tower alone, and `text` a tokenizer with an embedding
 * table.
 */
export type Role = 'model' | Part | 'text';

/** A model's files, wherever they are. */
export interface FileSource {
  has(name: string): boolean;
  json(name: string): Promise<JsonObject>;
  /** For messages. */
  where(name: string): string;
}

export interface Needs {
  /** Those that are there. */
  readonly files: readonly string[];
  /** In words: `tokenizer.json`, `preprocessor_config.json or processor_config.json`. */
  readonly missing: readonly string[];
}

/** @param dtype of the language model's ONNX files */
export async function neededFiles(source: FileSource, role: Role, dtype?: OnnxDType | 'auto'): Promise<Needs> {
  const needs = new Collector(source, dtype);
  await collect(needs, role);
  return needs;
}

/**
 * What a model is good for, by its config.json.
 *
 * @param path of that file, for messages
 * @throws QAViTError ERR_UNSUPPORTED for one of another kind: towers and vision-language models that are not known here
 */
export function roleOf(config: JsonObject, path: string): 'model' | 'adapter' | 'language' {
  const { model_type: type } = config;
  if (type === 'qavit' || isTowerConfig(config) || visionLanguageFamily(type)) return 'model';
  if ('instruction_dim' in config) return 'adapter';
  if (isT5Config(type) || isLanguageConfig(config)) return 'language';
  const towers = `a tower (${TOWER_MODEL_TYPES.join(', ')})`;
  const what = `qavit, ${VISION_LANGUAGE_MODEL_TYPES.join(', ')}, ${towers}, or a language model's`;
  throw unknownModel(what, `model_type of ${path}`, type);
}

/** What reads has a vocabulary, and what also sees is more than a language model. */
function isLanguageConfig({ text_config: nested, vision_config: vision, vocab_size: own }: JsonObject): boolean {
  const size = isJsonObject(nested) ? nested.vocab_size : own;
  return Number.isInteger(size) && !isJsonObject(vision);
}

class Collector implements Needs {
  constructor(
    private readonly source: FileSource,
    readonly dtype: OnnxDType | 'auto' = 'auto',
    private readonly prefix = '',
    readonly files: string[] = [],
    readonly missing: string[] = [],
  ) {}

  /** The files of a sub-folder, counted with these. */
  within(folder: string): Collector {
    return new Collector(this.source, this.dtype, `${this.prefix}${folder}/`, this.files, this.missing);
  }

  has(name: string): boolean {
    return this.source.has(this.prefix + name);
  }

  json(name: string): Promise<JsonObject> {
    return this.source.json(this.prefix + name);
  }

  where(name: string): string {
    return this.source.where(this.prefix + name);
  }

  /** All of them that are there; at least one has to be. */
  oneOf(...names: readonly string[]): boolean {
    const there = names.filter((name) => this.has(name));
    this.files.push(...there.map((name) => this.prefix + name));
    if (there.length === 0) this.missing.push(names.map((name) => this.prefix + name).join(' or '));
    return there.length > 0;
  }

  optional(...names: readonly string[]): void {
    this.files.push(...names.filter((name) => this.has(name)).map((name) => this.prefix + name));
  }
}

async function collect(needs: Collector, role: Role): Promise<void> {
  if (!needs.oneOf('config.json')) return;
  const config = await needs.json('config.json');
  if (role === 'model') return collectWhole(needs, config);
  if (role === 'language') return collectLanguage(needs, config);
  if (role === 'questions') return collectQuestions(needs, config);
  if (role === 'text') return collectText(needs);
  return role === 'tower' ? collectTower(needs, config) : collectWeights(needs);
}

/** Of a model that a tower is part of the shards that hold its vision half. */
async function collectTower(needs: Collector, config: JsonObject): Promise<void> {
  await collectPreprocessing(needs);
  await collectWeights(needs, visionTensors(config));
}

/** As readPreprocessorConfig() reads it: a processor_config.json often says nothing of pictures. */
async function collectPreprocessing(needs: Collector): Promise<void> {
  const [own, joint] = ['preprocessor_config.json', 'processor_config.json'];
  const { image_processor: image } = needs.has(joint) ? await needs.json(joint) : {};
  if (!needs.has(joint) || isJsonObject(image)) needs.oneOf(own, joint);
  else if (needs.oneOf(own)) needs.optional(joint);
}

/** Of a model that cannot be loaded nothing but its config.json is needed, to say so. */
async function collectWhole(needs: Collector, config: JsonObject): Promise<void> {
  if (isTowerConfig(config)) return collectTower(needs, config);
  if (visionLanguageFamily(config.model_type)) return collectVisionLanguage(needs, config);
  if (config.model_type !== 'qavit') return;
  for (const part of PARTS) {
    const folder = partFolder(config, part, needs.where('config.json'));
    if (folder !== undefined) await collect(needs.within(folder), part);
  }
}

/** The language half, where there is one: most repositories have a vision-language model's PyTorch weights alone. */
async function collectVisionLanguage(needs: Collector, config: JsonObject): Promise<void> {
  await collectTower(needs, config);
  if (needs.has('language/config.json')) return collect(needs.within('language'), 'language');
  if (graphsFolder(needs) !== undefined) await collectLanguage(needs, config);
}

async function collectWeights(needs: Collector, wanted?: RegExp): Promise<void> {
  const storage = storageOf((name) => needs.has(name));
  if (!storage) needs.oneOf(...STORAGES.flatMap(({ single, index }) => [single, index]));
  else if (needs.has(storage.single)) needs.oneOf(storage.single);
  else await collectShards(needs, storage, wanted);
}

async function collectShards(needs: Collector, { index, suffix }: Storage, wanted = /(?:)/): Promise<void> {
  needs.oneOf(index);
  const shards = shardsOf(await needs.json(index), needs.where(index), suffix);
  const asked = [...shards].filter(([tensor]) => wanted.test(tensor)).map(([, shard]) => shard);
  for (const shard of new Set(asked)) needs.oneOf(shard);
}

async function collectLanguage(needs: Collector, config: JsonObject): Promise<void> {
  collectTokenizer(needs);
  needs.optional('generation_config.json', 'tokenizer_config.json', 'special_tokens_map.json');
  needs.optional('processor_config.json', 'chat_template.jinja', 'chat_template.json');
  const graphs = graphsFolder(needs);
  // As loadLanguageModel() chooses: a T5 is computed by qavit unless there are ONNX files in the folder itself.
  if (isT5(config) && graphs !== '' && (hasWeights(needs) || graphs === undefined)) return collectWeights(needs);
  collectGraphs(needs, graphs ?? '', config.is_encoder_decoder === true);
}

/** As loadQuestionReader() chooses: what computes, else the embedding table. */
async function collectQuestions(needs: Collector, config: JsonObject): Promise<void> {
  const graphs = graphsFolder(needs);
  const computes = isT5(config) || graphs === '' || (graphs !== undefined && !hasWeights(needs));
  return computes ? collectLanguage(needs, config) : collectText(needs);
}

async function collectText(needs: Collector): Promise<void> {
  collectTokenizer(needs);
  await collectWeights(needs, TABLE);
}

function collectTokenizer(needs: Collector): void {
  needs.oneOf(tokenizerFile((name) => needs.has(name)));
}

function isT5(config: JsonObject): boolean {
  return isT5Config((isJsonObject(config.text_config) ? config.text_config : config).model_type);
}

function hasWeights(needs: Collector): boolean {
  return storageOf((name) => needs.has(name)) !== undefined;
}

/** Where the ONNX files lie. */
export function graphsFolder(files: Pick<FileSource, 'has'>): string | undefined {
  return ['', 'onnx/'].find((folder) => graphFiles('embed_tokens').some((file) => files.has(folder + file)));
}

/** Of the precisions that exporters write one, as OnnxFolder takes it; the others are left alone. */
function collectGraphs(needs: Collector, folder: string, hasEncoder: boolean): void {
  const offered = (stem: string): string | undefined =>
    graphFiles(stem, needs.dtype).find((file) => needs.has(folder + file));
  const graph = (stem: string): void => {
    const name = offered(stem) ?? graphFiles(stem, needs.dtype)[0] ?? '';
    if (!needs.oneOf(folder + name)) return;
    // Weights beyond the 2 GB of a graph lie beside it.
    const beside = [`${folder}${name}_data`];
    for (let i = 1; needs.has(beside.at(-1) ?? ''); i++) beside.push(`${folder}${name}_data_${i}`);
    needs.optional(...beside);
  };
  graph('embed_tokens');
  if (hasEncoder) graph('encoder_model');
  const split = offered('decoder_model') !== undefined && offered('decoder_model_merged') === undefined;
  for (const stem of split ? ['decoder_model', 'decoder_with_past_model'] : ['decoder_model_merged']) graph(stem);
}
