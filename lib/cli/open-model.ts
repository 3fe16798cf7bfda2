import path from 'node:path';
import type { LoadOptions, QAViT } from '..';
import { existingFolder } from './files';
import { CliError, EXIT } from './errors';
import type { ModelOptions } from './options';
import type { Status } from './status';

/** The model that is used unless another is named. */
export const EMBEDDED = 'demo';

/** What the options say to load: a model folder or the name of an embedded model, or parts. */
async function named(options: ModelOptions): Promise<Parameters<typeof QAViT.load>[0]> {
  const { model = EMBEDDED, tower, adapter, language } = options;
  if (tower !== undefined) {
    await existingFolder('a folder for --tower', tower);
    if (adapter !== undefined) await existingFolder('a folder for --adapter', adapter);
    if (language !== undefined) await existingFolder('a folder for --language', language);
    return { tower, adapter, language };
  }
  const lonely = adapter === undefined ? (language === undefined ? undefined : '--language') : '--adapter';
  if (lonely) {
    throw new CliError(
      `Expected --tower for ${lonely} but received none`,
      'a model kept apart needs its vision tower: --tower <folder>',
      EXIT.usage,
    );
  }
  return model === EMBEDDED ? model : existingFolder('a model folder', model);
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
  const { device, dtype, padding, imageSize, threads, languageDtype: languageDType } = options;
  const loading = { device, dtype, padding, imageSize, threads, languageDType, signal } as LoadOptions;
  const loaded = await QAViT.load(model, loading);
  status.clear();
  return loaded;
}
