import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { expected, expectedButFound } from '../errors';
import { isTowerConfig, TOWER_MODEL_TYPES } from '../models/towers';
import { type JsonObject, readJsonObject } from '../json-file';
import { isServer, readServer } from '../llm/vllm/server';
import { nearest } from '../calls/nearest';
import { isPlainObject } from '../calls/options';
import type { ModelFolders } from './types';

/** Models that the package itself brings, by name. */
const EMBEDDED = ['demo'];

const PARTS = ['tower', 'adapter', 'language', 'questions'] as const;

/**
 * Where the parts of a model lie: a folder whose config.json names them, the folder of a tower alone, the name of an embedded model,
 * or the parts themselves.
 *
 * @throws QAViTError ERR_ARGUMENT for what does not exist, ERR_FORMAT for a config.json that names nothing usable
 */
export async function findModel(model: string | ModelFolders): Promise<ModelFolders> {
  if (typeof model === 'string') return inFolder(folderOf(model));
  checkParts(model);
  for (const part of PARTS) {
    const place = model[part];
    if (part === 'language' && isServer(place)) readServer(place);
    else if (place !== undefined) expectFolder(place as string, part);
  }
  return model;
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

function folderOf(name: string): string {
  if (isFolder(name)) return name;
  if (EMBEDDED.includes(name)) return path.join(packageRoot(), 'models', name);
  const found = existsSync(name)
    ? `${JSON.stringify(name)}, which is a file`
    : `${JSON.stringify(name)}, which does not exist`;
  throw expectedButFound('ERR_ARGUMENT', `a model folder or one of ${EMBEDDED.join(', ')}`, 'QAViT.load', found);
}

function expectFolder(folder: string, part: string): void {
  if (isFolder(folder)) return;
  const found = existsSync(folder) ? 'which is a file' : 'which does not exist';
  throw expectedButFound('ERR_ARGUMENT', 'a folder', part, `${JSON.stringify(folder)}, ${found}`);
}

function isFolder(name: string): boolean {
  return statSync(name, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

async function inFolder(folder: string): Promise<ModelFolders> {
  const config = path.join(folder, 'config.json');
  const json = await readJsonObject(config);
  if (isTowerConfig(json)) return { tower: folder };
  if (json.model_type !== 'qavit') {
    const what = `qavit or a tower: ${TOWER_MODEL_TYPES.join(', ')}`;
    throw expected('ERR_UNSUPPORTED', what, `model_type of ${config}`, json.model_type);
  }
  const tower = partOf(json, 'tower', folder);
  if (tower === undefined) throw expected('ERR_FORMAT', 'the name of a folder', `tower in ${config}`, undefined);
  const part = (name: (typeof PARTS)[number]) => partOf(json, name, folder);
  return { tower, adapter: part('adapter'), language: part('language'), questions: part('questions') };
}

/** A part's folder lies inside the model's: a downloaded config must not reach out of it, to other folders or to a server. */
function partOf(json: JsonObject, part: (typeof PARTS)[number], folder: string): string | undefined {
  const name = json[part];
  if (name === undefined || name === null) return undefined;
  const where = `${part} in ${path.join(folder, 'config.json')}`;
  if (typeof name !== 'string') throw expected('ERR_FORMAT', 'the name of a folder', where, name);
  const full = path.join(folder, name);
  const relative = path.relative(folder, full);
  const inside = !path.isAbsolute(name) && relative !== '' && relative.split(path.sep)[0] !== '..';
  if (inside && isFolder(full)) return full;
  throw expected('ERR_FORMAT', 'the name of a folder in it', where, name);
}

/** Where package.json lies: above the compiled code, however deep that is. */
function packageRoot(): string {
  let folder = __dirname;
  while (!existsSync(path.join(folder, 'package.json')) && folder !== path.dirname(folder))
    folder = path.dirname(folder);
  return folder;
}
