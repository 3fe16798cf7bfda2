/** Which of a model's files qavit reads. Asked of a folder it says what is missing there; of a hub, what to fetch. */
import path from 'node:path';
import { expected } from '../errors';
import { isJsonObject, type JsonObject } from '../json-file';
import { isT5Config } from '../llm/t5/config';
import { isTowerConfig } from '../models/towers';
import { shardsOf, STORAGES, type Storage } from '../weights';

/** What a model is wanted for; `model` is whole, or a tower alone. */
export type Role = 'model' | 'tower' | 'adapter' | 'language';

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

const PARTS = ['tower', 'adapter', 'language'] as const;

export async function neededFiles(source: FileSource, role: Role): Promise<Needs> {
  const needs = new Collector(source);
  await collect(needs, role);
  return needs;
}

/** What a model is good for, by its config.json. */
export function roleOf(config: JsonObject): Role {
  if (config.model_type === 'qavit' || isTowerConfig(config)) return 'model';
  return 'instruction_dim' in config ? 'adapter' : 'language';
}

class Collector implements Needs {
  constructor(
    private readonly source: FileSource,
    private readonly prefix = '',
    readonly files: string[] = [],
    readonly missing: string[] = [],
  ) {}

  /** The files of a sub-folder, counted with these. */
  within(folder: string): Collector {
    return new Collector(this.source, `${this.prefix}${folder}/`, this.files, this.missing);
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
  return role === 'tower' ? collectTower(needs) : collectWeights(needs);
}

async function collectTower(needs: Collector): Promise<void> {
  needs.oneOf('preprocessor_config.json', 'processor_config.json');
  await collectWeights(needs);
}

/** Of a model that cannot be loaded nothing but its config.json is needed, to say so. */
async function collectWhole(needs: Collector, config: JsonObject): Promise<void> {
  if (isTowerConfig(config)) return collectTower(needs);
  if (config.model_type !== 'qavit') return;
  for (const part of PARTS) {
    const name = config[part];
    if (name === undefined || name === null) continue;
    if (!isInside(name)) {
      throw expected('ERR_FORMAT', 'the name of a folder in it', `${part} in ${needs.where('config.json')}`, name);
    }
    await collect(needs.within(name), part);
  }
}

async function collectWeights(needs: Collector): Promise<void> {
  const storage = STORAGES.find(({ single, index }) => needs.has(single) || needs.has(index));
  if (!storage) needs.oneOf(...STORAGES.flatMap(({ single, index }) => [single, index]));
  else if (needs.has(storage.single)) needs.oneOf(storage.single);
  else await collectShards(needs, storage);
}

async function collectShards(needs: Collector, { index, suffix }: Storage): Promise<void> {
  needs.oneOf(index);
  const shards = shardsOf(await needs.json(index), needs.where(index), suffix);
  for (const shard of new Set(shards.values())) needs.oneOf(shard);
}

async function collectLanguage(needs: Collector, config: JsonObject): Promise<void> {
  needs.oneOf('tokenizer.json');
  needs.optional('generation_config.json', 'tokenizer_config.json', 'special_tokens_map.json');
  needs.optional('chat_template.jinja', 'chat_template.json');
  const text = isJsonObject(config.text_config) ? config.text_config : config;
  const graphs = ['', 'onnx/'].find((folder) => needs.has(`${folder}embed_tokens.onnx`));
  const stored = STORAGES.some(({ single, index }) => needs.has(single) || needs.has(index));
  // As loadLanguageModel() chooses: a T5 is computed by qavit unless there are ONNX files in the folder itself.
  if (isT5Config(text.model_type) && graphs !== '' && (stored || graphs === undefined)) return collectWeights(needs);
  collectGraphs(needs, graphs ?? '', config.is_encoder_decoder === true);
}

/** Of the precisions that exporters write, f32: what other names end in is left alone. */
function collectGraphs(needs: Collector, folder: string, hasEncoder: boolean): void {
  const graph = (name: string): void => {
    if (!needs.oneOf(folder + name)) return;
    // Weights beyond the 2 GB of a graph lie beside it.
    const beside = [`${folder}${name}_data`];
    for (let i = 1; needs.has(beside.at(-1) ?? ''); i++) beside.push(`${folder}${name}_data_${i}`);
    needs.optional(...beside);
  };
  graph('embed_tokens.onnx');
  if (hasEncoder) graph('encoder_model.onnx');
  const split = needs.has(`${folder}decoder_model.onnx`) && !needs.has(`${folder}decoder_model_merged.onnx`);
  for (const name of split ? ['decoder_model.onnx', 'decoder_with_past_model.onnx'] : ['decoder_model_merged.onnx']) {
    graph(name);
  }
}

/** Whether a name leads from a folder into it. */
export function isInside(name: unknown): name is string {
  if (typeof name !== 'string' || path.isAbsolute(name)) return false;
  return name.split('/').every((step) => step !== '' && step !== '.' && step !== '..' && !/[\\\0]/.test(step));
}
