import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Size } from '../image/geometry';
import { DECODING_RULES, MOST_NEW_TOKENS, MOST_TEMPERATURE } from '../llm/decoding-rules';
import type { ServerInput } from '../llm/vllm/server';

/** What every command that computes takes. */
export interface DeviceOptions {
  device?: string;
  dtype?: 'auto' | 'f32' | 'bf16' | 'f16' | 'int8';
  threads?: number;
  json?: boolean;
  quiet?: boolean;
}

/** What every command that loads a model of the user's choice takes. */
export interface ModelOptions extends DeviceOptions {
  model?: string;
  tower?: string;
  adapter?: string;
  language?: string;
  languageInput?: ServerInput;
  languageText?: string;
  questions?: string;
  padding?: 'mask' | 'attend';
  imageSize?: number | Size;
  maxPatches?: number;
  tiles?: number | 'auto';
  hiddenLayer?: number;
  keepClass?: 'yes' | 'no';
  visualTokens?: number;
  offline?: boolean;
  languageDevice?: string;
  languageDtype?: string;
}

/** How `ask` has the language model write. */
export interface DecodingOptions {
  maxNewTokens: number;
  temperature: number;
  topK: number;
  topP: number;
  seed?: number;
  stop?: string[];
}

/** A parser of numbers from `low` to `high` for commander, whose message names the option. */
export function numberIn(low: number, high: number, { whole = false } = {}): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() !== '' && value >= low && value <= high && (!whole || Number.isSafeInteger(value))) return value;
    throw new InvalidArgumentError(`Expected a ${whole ? 'whole ' : ''}number from ${low} to ${high}.`);
  };
}

/** A question in words, as an argument. */
export function questionText(text: string): string {
  if (text.trim() !== '') return text;
  throw new InvalidArgumentError('Expected a question.');
}

function imageSize(text: string): number | Size {
  const [width = 0, height, ...others] = text.split('x').map((edge) => (/^\d+$/.test(edge) ? Number(edge) : 0));
  const isEdge = (edge: number): boolean => edge >= 1 && edge <= 4096;
  if (others.length === 0 && isEdge(width) && isEdge(height ?? width)) {
    return height === undefined ? width : { width, height };
  }
  throw new InvalidArgumentError('Expected a whole number from 1 to 4096, or two as in 640x360.');
}

function tileCount(text: string): number | 'auto' {
  const count = Number(text);
  if (text === 'auto') return text;
  if (text.trim() !== '' && Number.isInteger(count) && count >= 0 && count <= 100) return count;
  throw new InvalidArgumentError('Expected a whole number from 0 to 100, or auto.');
}

/** One more text that ends an answer. */
function oneMore(text: string, texts: readonly string[] = []): string[] {
  if (text !== '') return [...texts, text];
  throw new InvalidArgumentError('Expected some text.');
}

function share(text: string): number {
  const value = Number(text);
  const { topP } = DECODING_RULES;
  if (topP.accepts(value)) return value;
  throw new InvalidArgumentError(`Expected ${topP.what}.`);
}

function device(text: string): string {
  if (/^(auto|cpu|cuda(:\d{1,3})?)$/.test(text)) return text;
  throw new InvalidArgumentError('Expected auto, cpu, cuda or cuda:N.');
}

export function addDeviceOptions(command: Command): Command {
  return command
    .addOption(new Option('--device <name>', 'auto, cpu, cuda or cuda:N').argParser(device).default('auto'))
    .addOption(
      new Option('--dtype <type>', 'what to compute in')
        .choices(['auto', 'f32', 'bf16', 'f16', 'int8'])
        .default('auto'),
    )
    .option('--threads <n>', 'compute threads (default: one a core)', numberIn(1, 256, { whole: true }))
    .option('--json', 'print one JSON object a result')
    .option('-q, --quiet', 'no progress on the terminal');
}

export function addModelOptions(command: Command): Command {
  command
    .option('--model <folder>', 'model folder, or org/name at a hub (default: the embedded demo model)')
    .addOption(new Option('--tower <folder>', 'vision tower, a Hugging Face folder or org/name').conflicts('model'))
    .addOption(new Option('--adapter <folder>', 'QA-ViT adapter for --tower').conflicts('model'))
    .addOption(
      new Option(
        '--language <folder>',
        'language model for --tower: a folder, org/name, or a vLLM server as http://host:8000/v1#model-name',
      ).conflicts('model'),
    )
    .addOption(
      new Option('--language-input <how>', 'how a server takes visual tokens (default: image_embeds)')
        .choices(['image_embeds', 'prompt_embeds', 'completions'])
        .conflicts('model'),
    )
    .addOption(
      new Option('--language-text <folder>', "the server's model, for the rows of words (completions)").conflicts(
        'model',
      ),
    )
    .addOption(
      new Option('--questions <folder>', 'what reads questions for --adapter, beside a server').conflicts('model'),
    )
    .option('--offline', 'take models named org/name from the cache alone')
    .addOption(
      new Option('--padding <how>', 'padded question tokens: mask hides them, attend repeats the published figures')
        .choices(['mask', 'attend'])
        .default('mask'),
    )
    .option(
      '--image-size <pixels>',
      "side of the pictures, or width x height as in 640x360, other than the tower's own (positions are interpolated)",
      imageSize,
    )
    .addOption(
      new Option(
        '--max-patches <n>',
        "each picture whole, in its own shape, of at most so many patches (default for SigLIP 2's NaFlex towers)",
      )
        .argParser(numberIn(1, 2 ** 31, { whole: true }))
        .conflicts('imageSize'),
    )
    .option(
      '--tiles <n>',
      "also look at so many cut-outs of a picture, or auto: as many as the model's processor makes (default: 0)",
      tileCount,
    )
    .option(
      '--hidden-layer <n>',
      "which of the tower's states is taken: -1 the last, -2 the one below (default: the adapter's)",
      numberIn(-1e6, 1e6, { whole: true }),
    )
    .addOption(
      new Option(
        '--keep-class <yes|no>',
        "whether the class token and registers are handed over (default: the adapter's)",
      ).choices(['yes', 'no']),
    )
    .option(
      '--visual-tokens <n>',
      'hand over so many, those that the adapter rates highest for the question (default: all)',
      numberIn(1, 2 ** 31, { whole: true }),
    )
    .addOption(
      new Option('--language-device <name>', "where a T5 is computed (default: the tower's device)").argParser(device),
    )
    .addOption(languageDTypeOption());
  return addDeviceOptions(command);
}

export function languageDTypeOption(): Option {
  return new Option('--language-dtype <type>', "which of the language model's ONNX files, where there are several")
    .choices(['auto', 'fp32', 'fp16', 'q8', 'int8', 'uint8', 'q4', 'q4f16', 'bnb4'])
    .default('auto');
}

export function addDecodingOptions(command: Command): Command {
  return command
    .option('--max-new-tokens <n>', 'longest answer', numberIn(1, MOST_NEW_TOKENS, { whole: true }), 30)
    .option('--temperature <t>', '0 takes the likeliest word each time', numberIn(0, MOST_TEMPERATURE), 0)
    .option(
      '--top-k <n>',
      'with a temperature: sample from so many of the likeliest words; 0: all',
      numberIn(0, 2 ** 31 - 1, { whole: true }),
      0,
    )
    .option('--top-p <p>', 'with a temperature: sample from the likeliest words that make up this share', share, 1)
    .option(
      '--seed <n>',
      'with a temperature: the same seed gives the same answer',
      numberIn(0, Number.MAX_SAFE_INTEGER, { whole: true }),
    )
    .option('--stop <text>', 'ends the answer where it appears, and is left out; may be given several times', oneMore);
}

/** The decoding options alone, as `QAViT.ask` takes them. */
export function decodingOf({ maxNewTokens, temperature, topK, topP, seed, stop }: DecodingOptions): DecodingOptions {
  return { maxNewTokens, temperature, topK, topP, seed, stop };
}
