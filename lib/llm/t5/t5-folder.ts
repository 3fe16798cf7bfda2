import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isJsonObject, type JsonObject, readJsonObjectIfThere } from '../../json-file';
import { storageOf } from '../../weights';
import { isT5Config } from './config';

/**
 * Whether a folder holds a T5 as published: its configuration says so, and there are no ONNX files, which would come first. Those in
 * `onnx` do where nothing else holds its weights.
 */
export async function isT5Folder(dir: string): Promise<boolean> {
  const list = (folder: string) => readdir(folder).catch((): string[] => []);
  const hasGraphs = (names: string[]) => names.some((name) => name.endsWith('.onnx'));
  const names = await list(dir);
  if (!names.includes('config.json') || hasGraphs(names)) return false;
  if (!storageOf((name) => names.includes(name)) && hasGraphs(await list(path.join(dir, 'onnx')))) return false;
  const config = await readJsonObjectIfThere(path.join(dir, 'config.json'));
  return config !== undefined && isT5Config(languageType(config));
}

function languageType({ model_type: type, text_config: nested }: JsonObject): unknown {
  return isJsonObject(nested) ? nested.model_type : type;
}
