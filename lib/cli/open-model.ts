import path from 'node:path';
import type { DownloadProgress, LoadOptions, ModelFolders, QAViT } from '..';
import { isServer, readServer } from '../llm/vllm/server';
import { existingModel } from './files';
import { CliError, EXIT } from './errors';
import { dashed } from './flags';
import type { ModelOptions } from './options';
import { size } from './output';
import type { Status } from './status';

/** The model that is used unless another is named. */
export const EMBEDDED = 'demo';

/** What a tower may be given, by the options' names; the first is named where there is no tower. */
export const PARTS = ['adapter', 'language', 'languageInput', 'languageText', 'questions'] as const;

/** What the options say to load: a model's folder or name, or parts. */
export async function namedModel(options: ModelOptions): Promise<string | ModelFolders> {
  const { model = EMBEDDED, tower } = options;
  const given = PARTS.filter((part) => options[part] !== undefined);
  if (tower !== undefined) return parts(tower, options);
  if (given[0]) {
    throw new CliError(
      `Expected --tower for --${dashed(given[0])} but received none`,
      'a model kept apart needs its vision tower: --tower <folder>',
      EXIT.usage,
    );
  }
  return model === EMBEDDED ? model : existingModel('a model folder', model);
}

async function parts(tower: string, options: ModelOptions): Promise<ModelFolders> {
  const { adapter, questions, language, languageInput: input, languageText: text } = options;
  const server = isServer(language);
  for (const part of ['tower', ...PARTS] as const) {
    const folder = options[part];
    if (folder === undefined || part === 'languageInput' || (part === 'language' && server)) continue;
    await existingModel(`a folder for --${dashed(part)}`, folder);
  }
  if (!server && (input ?? text) !== undefined) {
    const option = input === undefined ? '--language-text' : '--language-input';
    const hint = '--language http://host:8000/v1#model-name';
    throw new CliError(`Expected a server as --language for ${option} but received none`, hint, EXIT.usage);
  }
  if (!server || (input ?? text) === undefined) return { tower, adapter, questions, language };
  const { url, model } = readServer(language);
  return { tower, adapter, questions, language: { url, model, input, text } };
}

/** How a model is called in pictures and lists. */
export function nameOf({ model = EMBEDDED, tower, adapter }: ModelOptions): string {
  const parts = tower === undefined ? [model] : [tower, ...(adapter === undefined ? [] : [adapter])];
  return parts.map((part) => path.basename(path.resolve(part))).join(' + ');
}

/** `openai/clip: model.safetensors, 431.0 MB of 1.7 GB (25 %)` */
function downloadText({ name, file, received, total }: DownloadProgress): string {
  if (file === null) return `${name}: waiting for another process that downloads it`;
  const percent = total > 0 ? Math.floor((100 * received) / total) : 0;
  return `${name}: ${file}, ${size(received)} of ${size(total)} (${percent} %)`;
}

/** For `onProgress`: the line on a terminal. */
export function showDownloads(status: Status): (progress: DownloadProgress) => void {
  return (progress) => status.show(downloadText(progress));
}

/** Loads what the options name. */
export async function openModel(options: ModelOptions, status: Status, signal: AbortSignal): Promise<QAViT> {
  return loadFolders(await namedModel(options), nameOf(options), options, status, signal);
}

/** @param name for people */
export async function loadFolders(
  model: string | ModelFolders,
  name: string,
  options: ModelOptions,
  status: Status,
  signal: AbortSignal,
): Promise<QAViT> {
  status.show(`loading ${name}`);
  // Loaded only now, so that --help and usage errors do not wait for the addon and the libraries.
  const { QAViT } = await import('../index.js');
  const { device, dtype, padding, maxPatches, tiles, hiddenLayer, visualTokens, threads, offline } = options;
  if (maxPatches !== undefined && options.imageSize !== undefined) {
    const message = 'Expected --image-size or --max-patches but received both';
    throw new CliError(message, 'leave out one of them', EXIT.usage);
  }
  const imageSize = maxPatches === undefined ? options.imageSize : { maxPatches };
  const { languageDevice, languageDtype: languageDType } = options;
  const keepClass = options.keepClass && options.keepClass === 'yes';
  const vision = { device, dtype, padding, imageSize, tiles, hiddenLayer, keepClass, visualTokens, threads };
  const how = { ...vision, offline, languageDevice, languageDType, signal };
  const loaded = await QAViT.load(model, { ...how, onProgress: showDownloads(status) } as LoadOptions);
  status.clear();
  return loaded;
}
