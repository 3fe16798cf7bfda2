import path from 'node:path';
import type { LoadOptions, ModelFolders, QAViT } from '..';
import { isServer, readServer } from '../llm/vllm/server';
import { existingFolder } from './files';
import { CliError, EXIT } from './errors';
import type { ModelOptions } from './options';
import type { Status } from './status';

/** The model that is used unless another is named. */
export const EMBEDDED = 'demo';

/** What a tower may be given, by the options' names; the first is named where there is no tower. */
const PARTS = ['adapter', 'language', 'languageInput', 'languageText', 'questions'] as const;

/** What the options say to load: a model folder or the name of an embedded model, or parts. */
async function named(options: ModelOptions): Promise<Parameters<typeof QAViT.load>[0]> {
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
  return model === EMBEDDED ? model : existingFolder('a model folder', model);
}

async function parts(tower: string, options: ModelOptions): Promise<ModelFolders> {
  const { adapter, questions, language, languageInput: input, languageText: text } = options;
  const server = isServer(language);
  for (const part of ['tower', ...PARTS] as const) {
    const folder = options[part];
    if (folder === undefined || part === 'languageInput' || (part === 'language' && server)) continue;
    await existingFolder(`a folder for --${dashed(part)}`, folder);
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

/** `languageText` as it is typed: `language-text`. */
function dashed(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** How a model is called in pictures and lists. */
export function nameOf({ model = EMBEDDED, tower, adapter }: ModelOptions): string {
  const parts = tower === undefined ? [model] : [tower, ...(adapter === undefined ? [] : [adapter])];
  return parts.map((part) => path.basename(path.resolve(part))).join(' + ');
}

/** Loads what the options name. */
export async function openModel(options: ModelOptions, status: Status, signal: AbortSignal): Promise<QAViT> {
  const model = await named(options);
  status.show(`loading ${nameOf(options)}`);
  // Loaded only now, so that --help and usage errors do not wait for the addon and the libraries.
  const { QAViT } = await import('../index.js');
  const { device, dtype, padding, imageSize, threads } = options;
  const loaded = await QAViT.load(model, { device, dtype, padding, imageSize, threads, signal } as LoadOptions);
  status.clear();
  return loaded;
}
