import { existsSync } from 'node:fs';
import path from 'node:path';
import { ensureConfigs, type HubOptions, inFolder, type Part, parseHubName, partFolder, PARTS, roleOf } from '../hub';
import { type JsonObject, readJsonObject, readJsonObjectIfThere } from '../json-file';
import { isServer } from '../llm/vllm/server';
import { visionLanguageFamily } from '../models/vision-language';
import { languageIn } from '../qavit/model-folders';
import { nameModel, notCached } from '../qavit/named-model';
import type { ModelFolders } from '../qavit/types';

/** The parts whose files say something of the model; what else reads questions is a language model like others. */
export const PART_NAMES = ['tower', 'adapter', 'language'] as const satisfies readonly Part[];
export type PartName = (typeof PART_NAMES)[number];

/** A part of a model, whole or not. */
export interface LocatedPart {
  readonly part: PartName;
  readonly folder: string;
  /** Files that are needed and not there, in words. */
  readonly missing: readonly string[];
  /** What would bring them; absent where nothing is missing. */
  readonly fix?: string;
}

/**
 * Finds the parts of a model, incomplete ones too. Of a model at a hub that is not in the cache nothing but its configuration is
 * downloaded.
 *
 * @param model a folder or a hub's name, of a whole model or of one part, or the parts
 * @throws QAViTError as QAViT.load() where there is no such model at all
 */
export async function locateParts(model: string | Partial<ModelFolders>, hub: HubOptions): Promise<LocatedPart[]> {
  if (typeof model === 'string') return partsIn(await folderOf(model, hub), model, hub);
  const parts: LocatedPart[] = [];
  for (const part of PART_NAMES) {
    const given = model[part];
    // A server is asked nothing.
    if (given === undefined || isServer(given)) continue;
    parts.push(await located(part, await folderOf(given, hub, part), given, hub));
  }
  return parts;
}

async function folderOf(given: string, hub: HubOptions, part?: PartName): Promise<string> {
  const named = nameModel(given, part ?? 'model');
  if ('folder' in named) return named.folder;
  const { name, cacheOnly } = named;
  if (!cacheOnly) return ensureConfigs(name, part, hub);
  return ensureConfigs(name, part, { ...hub, offline: true }).catch(() => {
    throw notCached(name, part ?? 'model');
  });
}

async function partsIn(folder: string, given: string, hub: HubOptions): Promise<LocatedPart[]> {
  const file = path.join(folder, 'config.json');
  const config = await readJsonObjectIfThere(file);
  if (config?.model_type === 'qavit') {
    const names = Object.fromEntries(PARTS.map((part) => [part, partFolder(config, part, file)]));
    const named = PART_NAMES.flatMap((part) => {
      const name = names[part];
      return name === undefined ? [] : [located(part, path.join(folder, name), given, hub)];
    });
    return Promise.all(named);
  }
  const role = config ? roleOf(config, file) : 'model';
  const part = await located(role === 'model' ? 'tower' : role, folder, given, hub);
  const language = visionLanguageFamily(config?.model_type) && (await languageIn(folder));
  return language === undefined ? [part] : [part, await located('language', language, given, hub)];
}

async function located(part: PartName, folder: string, given: string, hub: HubOptions): Promise<LocatedPart> {
  const { missing } = await inFolder(folder, part, hub.languageDType);
  if (missing.length === 0) return { part, folder, missing };
  const name = existsSync(given) ? await nameIn(folder) : given;
  const source = name === undefined ? `take it from where ${folder} comes from` : `npx qavit fetch ${name}`;
  return { part, folder, missing, fix: source };
}

/** Where transformers says that a folder comes from. */
async function nameIn(folder: string): Promise<string | undefined> {
  const file = path.join(folder, 'config.json');
  const config: JsonObject = existsSync(file) ? await readJsonObject(file) : {};
  const { _name_or_path: name } = config;
  return typeof name === 'string' && parseHubName(name) ? name : undefined;
}
