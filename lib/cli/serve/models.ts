import type { QAViT } from '../..';
import { CliError, EXIT } from '../errors';
import { dashed } from '../flags';
import { nameOf, openModel } from '../open-model';
import type { Status } from '../status';
import type { ConfiguredModel } from './config-file';
import type { ServeOptions } from './options';

/** The models to serve, by name; of each one copy a device. */
export class OpenModels implements AsyncDisposable {
  readonly byName: Record<string, QAViT[]> = Object.create(null) as Record<string, QAViT[]>;

  /** All that the file names, or else the one of the options. */
  static async open(
    options: ServeOptions,
    configured: Readonly<Record<string, ConfiguredModel>>,
    status: Status,
    signal: AbortSignal,
  ): Promise<OpenModels> {
    const models = new OpenModels();
    try {
      for (const [name, wanted] of wantedModels(options, configured)) {
        const copies: QAViT[] = [];
        models.byName[name] = copies;
        for (const device of wanted.devices ?? [wanted.device]) {
          copies.push(await openModel({ ...wanted, ...(device !== undefined && { device }) }, status, signal));
        }
      }
      return models;
    } catch (error) {
      await models[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Object.values(this.byName).flatMap((copies) => copies.map((model) => model.close())));
  }
}

/** What says which model it is; all others say how one is loaded, and hold for all of the file that do not say otherwise. */
const WHICH = ['model', 'tower', 'adapter', 'language', 'languageInput', 'languageText', 'questions', 'name'] as const;

function wantedModels(
  options: ServeOptions,
  configured: Readonly<Record<string, ConfiguredModel>>,
): [name: string, wanted: ConfiguredModel][] {
  if (Object.keys(configured).length === 0) return [[options.name ?? nameOf(options), options]];
  const said = WHICH.find((option) => options[option] !== undefined);
  if (said !== undefined) {
    throw new CliError(
      `Expected models from the file or from the options but received both, with --${dashed(said)}`,
      `leave out --${dashed(said)}, or "models" in the file.`,
      EXIT.usage,
    );
  }
  return Object.entries(configured).map(([id, own]) => {
    const { devices = own.device === undefined ? options.devices : undefined } = own;
    // One says what the other would: a model's own stands for both.
    const isSized = own.imageSize !== undefined || own.maxPatches !== undefined;
    const others = isSized ? { ...options, imageSize: undefined, maxPatches: undefined } : options;
    return [id, { ...others, ...own, devices }];
  });
}
