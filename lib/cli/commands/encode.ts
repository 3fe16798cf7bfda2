import path from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { VisualTokens } from '../..';
import { imageArgument, writeWhole } from '../files';
import { npyFile } from '../../formats/npy';
import { openModel } from '../open-model';
import { paragraph } from '../help-text';
import { addModelOptions, type ModelOptions, questionText } from '../options';
import { print, printJson, table } from '../output';
import { safetensorsFile } from '../../formats/safetensors-file';
import { Status } from '../status';
import { Timer } from '../timer';

const ABOUT = 'Without a question the plain tower encodes. Without --out the tokens are described, not written.';
const EXAMPLES = `
Examples:
  $ qavit encode street.jpg "How many cars?" --out tokens.npy
  $ qavit encode street.jpg --output tower --out plain.safetensors
  $ qavit encode street.jpg --tower clip-vit-base-patch32 --json`;

interface EncodeOptions extends ModelOptions {
  out?: string;
  output?: 'projected' | 'tower';
}

const FORMATS = ['.npy', '.safetensors'];
const OUTPUTS = ['projected', 'tower'];

function outputKind(text: string): string {
  if (OUTPUTS.includes(text)) return text;
  const isFile = FORMATS.includes(path.extname(text).toLowerCase());
  throw new InvalidArgumentError(`Expected ${OUTPUTS.join(' or ')}${isFile ? '; --out names the file' : ''}.`);
}

function outputFile(name: string): string {
  if (FORMATS.includes(path.extname(name).toLowerCase())) return name;
  throw new InvalidArgumentError(`Expected a name that ends in ${FORMATS.join(' or ')}.`);
}

function fileOf(
  name: string,
  { data, shape, key, kept, grid, tiles }: VisualTokens,
  question: string | undefined,
): Buffer {
  if (path.extname(name).toLowerCase() === '.npy') return npyFile(data, shape);
  // The key tells caches apart which (picture, question, weights) these tokens stand for.
  const about = {
    key,
    ...(kept && { kept: kept.join() }),
    ...(grid && { grid: `${grid.rows}x${grid.columns}` }),
    ...(tiles && { tiles: `${tiles.rows}x${tiles.columns}` }),
    ...(question !== undefined && { question }),
  };
  return safetensorsFile({ tokens: { data, shape } }, about);
}

async function encode(
  imageName: string,
  question: string | undefined,
  options: EncodeOptions,
  signal: AbortSignal,
): Promise<void> {
  using status = new Status(options);
  const total = new Timer();
  const { out, output } = options;
  const image = await imageArgument(imageName, signal);
  await using model = await openModel(options, status, signal);
  const loadMs = total.ms;

  status.show('encoding');
  const encoding = new Timer();
  const tokens = await model.encode(image, question ?? null, { ...(output && { output }), signal });
  const encodeMs = encoding.ms;
  if (out !== undefined) await writeWhole(out, fileOf(out, tokens, question));
  status.clear();

  const { shape, key, kept, grid, tiles } = tokens;
  const { device, dtype } = model.info;
  if (options.json) {
    const timings = { loadMs, encodeMs, totalMs: total.ms };
    const result = {
      image: imageName,
      question: question ?? null,
      shape,
      ...(kept && { kept: [...kept] }),
      ...(grid && { grid }),
      ...(tiles && { tiles }),
      key,
      out: out ?? null,
      device: device.kind,
      dtype,
    };
    return printJson({ ...result, timings }, signal);
  }
  const cut = tiles && `, of ${tiles.rows} × ${tiles.columns} tiles and the whole`;
  const shaped = grid && `, of ${grid.columns} × ${grid.rows} patches`;
  const rows: [string, string][] = [
    ['tokens', `${shape[0]} × ${shape[1]} f32${shaped ?? cut ?? ''}`],
    ['key', key],
  ];
  return print(table(out === undefined ? rows : [...rows, ['written to', out]]), signal);
}

export function addEncode(program: Command, signal: AbortSignal): Command {
  const command = program
    .command('encode')
    .summary('turn a picture and a question into visual tokens')
    .description('Encodes a picture under a question into visual tokens, as a language model takes them.')
    .argument('<image>', 'picture: a file, or - for standard input')
    .argument('[question]', 'the question, in words', questionText)
    .option('-o, --out <file>', 'write the tokens to a .npy or .safetensors file', outputFile)
    .addOption(
      new Option(
        '--output <which>',
        'projected: N x E for the language model; tower: N x C (default: projected where there is a projector)',
      ).argParser(outputKind),
    );
  return addModelOptions(command)
    .addHelpText('after', paragraph(ABOUT))
    .addHelpText('after', EXAMPLES)
    .action((image: string, question: string | undefined, options: EncodeOptions) =>
      encode(image, question, options, signal),
    );
}
