import type { QAViT } from '../..';
import { CliError, EXIT } from '../errors';
import { nameOf, openModel } from '../open-model';
import type { ModelOptions } from '../options';
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

type Wanted = ModelOptions & { devices?: string[] };

function wantedModels(
  options: ServeOptions,
  configured: Readonly<Record<string, ConfiguredModel>>,
): [name: string, wanted: Wanted][] {
  const names = Object.keys(configured);
  if (names.length === 0) return [[options.name ?? nameOf(options), options]];
  const { model, tower, name } = options;
  if ((model ?? tower ?? name) !== undefined) {
    throw new CliError(
      'Expected models from the file or from the options but received both',
      'leave out --model, --tower and --name, or "models" in the file.',
      EXIT.usage,
    );
  }
  const { device, dtype, padding, threads } = options;
  return names.map((id) => [id, { device, dtype, padding, threads, ...configured[id] } as Wanted]);
}
