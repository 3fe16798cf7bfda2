import { existsSync } from 'node:fs';
import path from 'node:path';
import { expected, expectedButFound, type QAViTError } from '../errors';
import { ensureModel, type HubOptions, type Part, partFolder, PARTS, type Role, tokenizerFile } from '../hub';
import { missingLanguageFiles } from '../llm/onnx/onnx-folder';
import { isTowerConfig, TOWER_MODEL_TYPES } from '../models/towers';
import { unknownModel } from '../models/unknown-model';
import { VISION_LANGUAGE_MODEL_TYPES, visionLanguageFamily } from '../models/vision-language';
import { type JsonObject, readJsonObject } from '../json-file';
import { isServer, readServer } from '../llm/vllm/server';
import { nearest } from '../calls/nearest';
import { isPlainObject } from '../calls/options';
import { isFolder, nameModel, notCached } from './named-model';
import type { ModelFolders } from './types';

/**
 * Where the parts of a model lie: a folder whose config.json names them, the folder of a vision-language model or of a tower alone, the
 * name of an embedded model or of one at a hub, or the parts themselves.
 *
 * @throws QAViTError ERR_ARGUMENT for what does not exist, ERR_FORMAT for a config.json that names nothing usable, and what
 *   ensureModel() says
 */
export async function findModel(model: string | ModelFolders, hub: HubOptions = {}): Promise<ModelFolders> {
  const found = await foldersOf(model, hub);
  const { language, questions } = found;
  const words = typeof language === 'object' ? language.text : language;
  for (const folder of [words, questions]) if (folder !== undefined && !isServer(folder)) expectTokenizer(folder);
  return found;
}

async function foldersOf(model: string | ModelFolders, hub: HubOptions): Promise<ModelFolders> {
  if (typeof model === 'string') return inFolder(await folderOf(model, 'model', hub));
  checkParts(model);
  const { tower, adapter, language, questions } = model;
  const of = async (part: 'adapter' | 'questions', given: string | undefined) =>
    given === undefined ? {} : { [part]: await folderOf(given, part, hub) };
  return {
    tower: await folderOf(tower, 'tower', hub),
    ...(await of('adapter', adapter)),
    ...(language !== undefined && { language: await languagePlace(language, hub) }),
    ...(await of('questions', questions)),
  };
}

function checkParts(model: unknown): asserts model is ModelFolders {
  const what = 'a model folder or { tower, adapter?, language?, questions? }';
  if (!isPlainObject(model)) throw expected('ERR_ARGUMENT', what, 'QAViT.load', model);
  for (const [key, value] of Object.entries(model)) {
    const near = nearest(key, PARTS);
    if (!PARTS.some((part) => part === key)) {
      const found = `${JSON.stringify(key)}${near === undefined ? '' : ` (did you mean ${near}?)`}`;
      throw expectedButFound('ERR_ARGUMENT', 'tower, adapter, language or questions', 'a part of the model', found);
    }
    if (key === 'language' && isServer(value)) continue;
    if (typeof value !== 'string' && value !== undefined) throw expected('ERR_ARGUMENT', 'a folder', key, value);
  }
  if (typeof model.tower !== 'string') throw expected('ERR_ARGUMENT', 'a folder', 'tower', model.tower);
}

/** A server is reached when it is asked; that its settings make sense is checked now. */
async function languagePlace(place: NonNullable<ModelFolders['language']>, hub: HubOptions) {
  if (!isServer(place)) return folderOf(place, 'language', hub);
  readServer(place);
  if (typeof place === 'string' || place.text === undefined) return place;
  return { ...place, text: await folderOf(place.text, 'text', hub) };
}

/** A folder that is there, or else the one in the cache of a model at a hub. */
async function folderOf(given: string, role: Role, hub: HubOptions): Promise<string> {
  const named = nameModel(given, role);
  if ('folder' in named) return named.folder;
  const { name, cacheOnly } = named;
  if (!cacheOnly) return ensureModel(name, role, hub);
  return ensureModel(name, role, { ...hub, offline: true }).catch((error: QAViTError) => {
    throw error.code === 'ERR_ARGUMENT' ? notCached(name, role) : error;
  });
}

async function inFolder(folder: string): Promise<ModelFolders> {
  const config = path.join(folder, 'config.json');
  const json = await readJsonObject(config);
  if (isTowerConfig(json)) return { tower: folder };
  if (visionLanguageFamily(json.model_type)) return { tower: folder, language: await languageIn(folder) };
  if (json.model_type !== 'qavit') {
    const what = `qavit, ${VISION_LANGUAGE_MODEL_TYPES.join(', ')} or a tower: ${TOWER_MODEL_TYPES.join(', ')}`;
    throw unknownModel(what, `model_type of ${config}`, json.model_type);
  }
  const tower = partOf(json, 'tower', folder);
  if (tower === undefined) throw expected('ERR_FORMAT', 'the name of a folder', `tower in ${config}`, undefined);
  const part = (name: Part) => partOf(json, name, folder);
  return { tower, adapter: part('adapter'), language: part('language'), questions: part('questions') };
}

/** A vision-language model's language half, where there is one: ONNX files in its own folder, or a folder `language` in it. */
export async function languageIn(folder: string): Promise<string | undefined> {
  const apart = path.join(folder, 'language');
  if (isFolder(apart)) return apart;
  return (await missingLanguageFiles(folder)).length === 0 ? folder : undefined;
}

/** @throws QAViTError ERR_FORMAT also where there is no such folder */
function partOf(json: JsonObject, part: Part, folder: string): string | undefined {
  const file = path.join(folder, 'config.json');
  const name = partFolder(json, part, file);
  if (name === undefined) return undefined;
  const full = path.join(folder, name);
  if (isFolder(full)) return full;
  throw expected('ERR_FORMAT', 'the name of a folder in it', `${part} in ${file}`, name);
}

/** Says what to do about a folder as it was published; where there is nothing at all, whoever reads it says so. */
function expectTokenizer(folder: string): void {
  const file = tokenizerFile((name) => existsSync(path.join(folder, name)));
  if (file !== 'tokenizer.json') throw expectedButFound('ERR_FORMAT', file, folder, 'none');
}
