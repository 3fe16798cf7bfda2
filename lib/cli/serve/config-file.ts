import type { Command, Option } from 'commander';
import { nearest } from '../../calls/nearest';
import { isJsonObject, type JsonObject, readJsonObject } from '../../json-file';
import { CliError, EXIT } from '../errors';
import { existingFile } from '../files';

/** A model of the file: where its parts lie, and how to load it. */
export interface ConfiguredModel {
  model?: string;
  tower?: string;
  adapter?: string;
  language?: string;
  device?: string;
  devices?: string[];
  dtype?: string;
  padding?: string;
  imageSize?: number;
  visualTokens?: number;
  threads?: number;
}

const MODEL_KEYS = [
  'model',
  'tower',
  'adapter',
  'language',
  'device',
  'devices',
  'dtype',
  'padding',
  'imageSize',
  'visualTokens',
  'threads',
];
const NUMBERS = ['imageSize', 'visualTokens', 'threads'];

/**
 * Takes from the file what neither the command line nor the environment has said.
 *
 * @returns the models of the file, by name
 */
export async function applyConfigFile(command: Command, file: string): Promise<Record<string, ConfiguredModel>> {
  const config = await readJsonObject(await existingFile('a configuration file', file));
  const options = new Map(command.options.map((option) => [option.attributeName(), option]));
  options.delete('config');
  for (const [key, value] of Object.entries(config)) {
    if (key === 'models') continue;
    const option = options.get(key);
    if (!option) throw unknown(file, key, [...options.keys(), 'models']);
    const said = command.getOptionValueSource(key);
    const parsed = parse(option, value, file);
    if (said === undefined || said === 'default') command.setOptionValueWithSource(key, parsed, 'config');
  }
  return modelsOf(config.models, file);
}

/** As if the value had been given on the command line. */
function parse(option: Option, value: unknown, file: string): unknown {
  const text = Array.isArray(value) ? value.join(',') : String(value);
  try {
    if (typeof value === 'object' && !Array.isArray(value)) throw new Error('Expected no object.');
    if (!option.parseArg) return text;
    return option.parseArg(text, undefined);
  } catch (error) {
    const message = `Expected a valid ${option.attributeName()} in ${file} but received ${JSON.stringify(value)}`;
    throw new CliError(message, error instanceof Error ? error.message : String(error), EXIT.usage);
  }
}

function modelsOf(given: unknown, file: string): Record<string, ConfiguredModel> {
  if (given === undefined) return {};
  if (!isJsonObject(given)) throw wrong(file, 'an object of models by name', 'models', given);
  for (const [name, model] of Object.entries(given)) {
    if (!isJsonObject(model)) throw wrong(file, 'an object', `models.${name}`, model);
    for (const key of Object.keys(model)) if (!MODEL_KEYS.includes(key)) throw unknown(file, key, MODEL_KEYS);
    checkModel(model, name, file);
  }
  return given as Record<string, ConfiguredModel>;
}

function checkModel(model: JsonObject, name: string, file: string): void {
  for (const [key, value] of Object.entries(model)) {
    const where = `models.${name}.${key}`;
    const isNumber = NUMBERS.includes(key);
    if (key === 'devices') {
      if (!Array.isArray(value) || !value.every((one) => typeof one === 'string'))
        throw wrong(file, 'an array of devices', where, value);
    } else if (typeof value !== (isNumber ? 'number' : 'string')) {
      throw wrong(file, isNumber ? 'a number' : 'a string', where, value);
    }
  }
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
