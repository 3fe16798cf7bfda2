import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { isJsonObject, type JsonObject, readJsonObjectIfThere } from '../../json-file';
import { isT5Config } from './config';

/** Whether a folder holds a T5 as published: its configuration says so, and there are no ONNX files, which would come first. */
export async function isT5Folder(dir: string): Promise<boolean> {
  const names = await readdir(dir).catch((): string[] => []);
  if (!names.includes('config.json') || names.some((name) => name.endsWith('.onnx'))) return false;
  const config = await readJsonObjectIfThere(path.join(dir, 'config.json'));
  return config !== undefined && isT5Config(languageType(config));
}

function languageType({ model_type: type, text_config: nested }: JsonObject): unknown {
  return isJsonObject(nested) ? nested.model_type : type;
}
