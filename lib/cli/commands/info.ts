import type { Command } from 'commander';
import type { ModelInfo } from '../..';
import { CliError, EXIT } from '../errors';
import { nameOf, openModel } from '../open-model';
import { addModelOptions, type ModelOptions } from '../options';
import { print, printJson, ranges, size, table } from '../output';
import { Status } from '../status';

const EXAMPLES = `
Examples:
  $ qavit info
  $ qavit info my-model --device cuda
  $ qavit info --tower clip-vit-large-patch14-336 --adapter my-adapter --json`;

/** What keeps `ask` from working, each with what to do. */
function missingForAsk({ fusedLayers, folders, language, Dq }: ModelInfo): string[] {
  return [
    ...(language ? [] : ['no language model; give one with --language <folder>']),
    ...(language && Dq !== null && language.questionWidth === null && folders.questions === undefined
      ? ['nothing that reads questions for the adapter; give a folder with --questions <folder>']
      : []),
    ...(fusedLayers.length > 0
      ? []
      : ['no adapter, so questions do not reach the tower; give one with --adapter <folder>']),
  ];
}

/** `336 × 336 pixels in patches of 14`, and where the position table is another's, from what it is interpolated. */
function pictureText({ image, trainedImage, patch }: ModelInfo): string {
  const [grid, trained] = [image, trainedImage].map((side) => Math.floor(side / patch));
  const table = grid === trained ? '' : `; positions interpolated from ${trained} × ${trained} patches`;
  return `${image} × ${image} pixels in patches of ${patch}${table}`;
}

/** `M = 261 with the class token and 4 registers, N = 256 handed over` */
function tokensText({ M, N, hasClass, registers }: ModelInfo): string {
  const before = [...(hasClass ? ['the class token'] : []), ...(registers > 0 ? [`${registers} registers`] : [])];
  return `M = ${M}${before.length > 0 ? ` with ${before.join(' and ')}` : ''}, N = ${N} handed over`;
}

/** `cpu, AMD EPYC, avx512, 8 threads`; `cuda:0, NVIDIA H200`. */
function deviceText({ kind, name, isa, threads, ordinal }: ModelInfo['device']): string {
  if (ordinal !== undefined) return `${kind}:${ordinal}, ${name}`;
  return [kind, name, isa, `${threads} threads`].filter(Boolean).join(', ');
}

function described(name: string, info: ModelInfo): [string, string][] {
  const { device, folders, fusedLayers, gates, language, memory } = info;
  const computed = info.layersComputed < info.L ? ` (${info.layersComputed} computed)` : '';
  const missing = missingForAsk(info);
  return [
    ['model', name],
    ['tower', `${folders.tower} (${info.family})`],
    ['adapter', folders.adapter ?? 'none'],
    ['language', language ? `${language.path} (${language.kind})` : 'none'],
    ...(folders.questions === undefined ? [] : [['questions read by', folders.questions] as [string, string]]),
    ['device', deviceText(device)],
    ['dtype', info.dtype],
    ['padding', info.padding],
    ['picture', pictureText(info)],
    ['tokens', tokensText(info)],
    ['width', `C = ${info.C}, H = ${info.H} heads, L = ${info.L} layers${computed}`],
    ['question', info.Dq === null ? 'not taken' : `Dq = ${info.Dq}`],
    ['projector', info.E === null ? 'none' : `E = ${info.E}`],
    ['fused layers', ranges(fusedLayers)],
    ['gates', gates.map((gate) => gate.toFixed(3)).join(' ') || 'none'],
    [
      'memory',
      `${size(memory.weightBytes)} weights, ${size(memory.tensorBytes)} tensors, ${size(memory.arenaBytes)} arena`,
    ],
    ['ask', missing.length === 0 ? 'ready' : missing.join('; ')],
  ];
}

async function describe(folder: string | undefined, options: ModelOptions, signal: AbortSignal): Promise<void> {
  if (folder !== undefined && (options.model ?? options.tower) !== undefined) {
    throw new CliError(
      'Expected one model but received several',
      `leave out ${JSON.stringify(folder)} or the option`,
      EXIT.usage,
    );
  }
  const chosen = folder === undefined ? options : { ...options, model: folder };
  using status = new Status(options);
  await using model = await openModel(chosen, status, signal);
  const { info } = model;
  if (options.json) return printJson({ ...info, missingForAsk: missingForAsk(info) }, signal);
  return print(table(described(nameOf(chosen), info)), signal);
}

export function addInfo(program: Command, signal: AbortSignal): Command {
  const command = program
    .command('info')
    .summary('describe a model as it is loaded here')
    .description('Describes a model: architecture, device, memory, gates, and what is missing for `ask`.')
    .argument('[model]', 'model folder (default: the embedded demo model)');
  return addModelOptions(command)
    .addHelpText('after', EXAMPLES)
    .action((folder: string | undefined, options: ModelOptions) => describe(folder, options, signal));
}
