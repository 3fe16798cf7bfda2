import { Command, type Option } from 'commander';
import { nearest } from '../../calls/nearest';
import { isJsonObject, type JsonObject, readJsonObject } from '../../json-file';
import { CliError, EXIT } from '../errors';
import { existingFile } from '../files';
import { PARTS } from '../open-model';
import { addModelOptions, type ModelOptions } from '../options';

/** A model of the file: where its parts lie, and how to load it. */
export type ConfiguredModel = ModelOptions & { devices?: string[] };

/** Of the command's options those that a model of the file may have for itself. */
function modelOptions(all: ReadonlyMap<string, Option>): ReadonlyMap<string, Option> {
  const own = new Set(addModelOptions(new Command()).options.map((option) => option.attributeName()));
  own.add('devices');
  for (const ofTheCommand of ['json', 'quiet']) own.delete(ofTheCommand);
  return new Map([...all].filter(([key]) => own.has(key)));
}

/**
 * Takes from the file what neither the command line nor the environment has said.
 *
 * @returns the models of the file, by name
 */
export async function applyConfigFile(command: Command, file: string): Promise<Record<string, ConfiguredModel>> {
  const config = await readJsonObject(await existingFile('a configuration file', file));
  const options = new Map(command.options.map((option) => [option.attributeName(), option]));
  options.delete('config');
  expectOneWay(config, 'the options', file);
  const isSaid = (key: string): boolean => ![undefined, 'default'].includes(command.getOptionValueSource(key));
  // Who names a model means none of the file's parts, and the other way round.
  const isReplaced = (key: string): boolean =>
    isSaid(key) || (partOrModel(key) && isSaid(key === 'model' ? 'tower' : 'model'));
  for (const [key, value] of Object.entries(config)) {
    if (key === 'models') continue;
    const option = options.get(key);
    if (!option) throw unknown(file, key, [...options.keys(), 'models']);
    const parsed = parse(option, value, key, file);
    if (!isReplaced(key)) command.setOptionValueWithSource(key, parsed, 'config');
  }
  return modelsOf(config.models, modelOptions(options), file);
}

/** As if the value had been given on the command line. */
function parse(option: Option, value: unknown, where: string, file: string): unknown {
  try {
    if (option.isBoolean()) {
      if (typeof value === 'boolean') return value;
      throw new Error('Expected true or false.');
    }
    const said = typeof value === 'boolean' && option.argChoices?.includes('yes') ? (value ? 'yes' : 'no') : value;
    const parts = Array.isArray(said) ? (said as unknown[]) : [said];
    if (option.attributeName() === 'imageSize' && isJsonObject(said)) parts[0] = sizeText(said);
    if (!parts.every((part) => ['string', 'number', 'boolean'].includes(typeof part)))
      throw new Error('Expected a value as on the command line: a text, a number, true or false.');
    const text = parts.join(',');
    return option.parseArg ? option.parseArg(text, undefined) : text;
  } catch (error) {
    const message = `Expected a valid ${where} in ${file} but received ${JSON.stringify(value)}`;
    throw new CliError(message, error instanceof Error ? error.message : String(error), EXIT.usage);
  }
}

/** `{ "width": 640, "height": 360 }`, as QAViT.load and adapters have it, in the command line's words. */
function sizeText({ width, height, ...others }: JsonObject): string {
  const edges = [width, height].filter((edge) => typeof edge === 'number' || typeof edge === 'string');
  if (Object.keys(others).length === 0 && edges.length === 2) return edges.join('x');
  throw new Error('Expected width and height; "maxPatches" is an option of its own.');
}

function modelsOf(given: unknown, options: ReadonlyMap<string, Option>, file: string): Record<string, ConfiguredModel> {
  if (given === undefined) return {};
  if (!isJsonObject(given)) throw wrong(file, 'an object of models by name', 'models', given);
  const models = Object.entries(given).map(([name, model]) => {
    const where = `models.${name}`;
    if (!isJsonObject(model)) throw wrong(file, 'an object', where, model);
    const parsed = Object.entries(model).map(([key, value]) => {
      const option = options.get(key);
      if (!option) throw unknown(file, key, [...options.keys()]);
      return [key, parse(option, value, `${where}.${key}`, file)] as const;
    });
    expectOneWay(model, where, file);
    return [name, Object.fromEntries(parsed)] as const;
  });
  return Object.fromEntries(models);
}

const partOrModel = (key: string): boolean => ['model', 'tower', ...PARTS].includes(key);

function expectOneWay(options: Record<string, unknown>, where: string, file: string): void {
  if (options.model !== undefined && options.tower !== undefined)
    throw wrong(file, 'a model or its parts', where, Object.keys(options));
}

function wrong(file: string, what: string, where: string, value: unknown): CliError {
  const message = `Expected ${what} for ${where} of ${file} but received ${JSON.stringify(value)}`;
  return new CliError(message, 'docs/serving.md shows a whole file.', EXIT.usage);
}

function unknown(file: string, key: string, known: readonly string[]): CliError {
  const near = nearest(key, known);
  const hint = near === undefined ? `known are ${known.join(', ')}` : `did you mean ${near}?`;
  return new CliError(`Expected a known option in ${file} but received ${JSON.stringify(key)}`, hint, EXIT.usage);
}
