import { type Command, Option } from 'commander';
import type { LoadOptions, ModelInfo } from '../..';
import type { ModelDescription } from '../../describe';
import { isServer } from '../../llm/vllm/server';
import { CliError, EXIT } from '../errors';
import { loadFolders, nameOf, namedModel, showDownloads } from '../open-model';
import { paragraph } from '../help-text';
import { addModelOptions, type ModelOptions } from '../options';
import { print, printJson, ranges, size, table } from '../output';
import { Status } from '../status';
import { describedFiles, layersText, missingFiles, weightsRows } from './info-files';

const ABOUT =
  'A model that is complete is loaded, to say what it holds on which device. One that is not, and any with --no-load, is ' +
  'described by its files. Of a model at a hub that is not in the cache nothing but the configuration is fetched.';
const EXAMPLES = `
Examples:
  $ qavit info
  $ qavit info my-model --device cuda
  $ qavit info facebook/dinov2-base
  $ qavit info --tower clip-vit-large-patch14-336 --adapter my-adapter --json`;

/** Options that say how a model is loaded. */
const LOADING: readonly (keyof ModelOptions)[] = [
  'device',
  'languageDevice',
  'dtype',
  'padding',
  'threads',
  'imageSize',
  'maxPatches',
  'tiles',
  'hiddenLayer',
  'keepClass',
  'visualTokens',
];

interface InfoOptions extends ModelOptions {
  /** --no-load */
  load: boolean;
}

/** What keeps `ask` from working, each with what to do. */
function missingForAsk({ tower, adapter, language }: ModelDescription, server: boolean): string[] {
  const { folder, visionLanguage } = tower && 'L' in tower ? tower : { folder: '', visionLanguage: undefined };
  const files =
    visionLanguage && `add ${visionLanguage.missing.join(', ')} to ${folder}, or give a folder with --language`;
  return [
    ...(tower ? [] : ['no tower; give one with --tower <folder>']),
    ...(language || server ? [] : [`no language model; ${files ?? 'give one with --language <folder>'}`]),
    // A vision-language model was trained without one.
    ...(adapter || visionLanguage
      ? []
      : ['no adapter, so questions do not reach the tower; give one with --adapter <folder>']),
  ];
}

/** A server gives answers only. */
function missingForQuestions({ folders, language, Dq }: ModelInfo): string[] {
  if (!language || Dq === null || language.questionWidth !== null || folders.questions !== undefined) return [];
  return ['nothing that reads questions for the adapter; give a folder with --questions <folder>'];
}

/**
 * `336 × 336 pixels in patches of 14`, or `each in its own shape, of at most 256 patches of 16`; and where the position table is another's,
 * from what it is interpolated.
 */
function pictureText({ image, maxPatches, positions, trainedImage, patch, grid }: ModelInfo): string {
  const [columns, rows] = [trainedImage.width, trainedImage.height].map((edge) => Math.floor(edge / patch));
  const isOwn = maxPatches === null && grid.rows === rows && grid.columns === columns;
  const table = isOwn || positions === 'rotary' ? '' : `; positions interpolated from ${columns} × ${rows} patches`;
  if (maxPatches !== null) return `each in its own shape, of at most ${maxPatches} patches of ${patch}${table}`;
  return `${image.width} × ${image.height} pixels in patches of ${patch}${table}`;
}

/** `M = 261 with the class token and 4 registers, N = 256 handed over`; behind it the option where it can be fewer. */
function tokensText({ M, N, maxPatches, tiles, hasClass, registers, selectsTokens }: ModelInfo): string {
  const before = [...(hasClass ? ['the class token'] : []), ...(registers > 0 ? [`${registers} registers`] : [])];
  const most = maxPatches === null ? '=' : '≤';
  return `M ${most} ${M}${before.length > 0 ? ` with ${before.join(' and ')}` : ''}, N ${most} ${N} handed over${selectsTokens ? ' (--visual-tokens)' : ''}${tiles > 0 ? `, and those of up to ${tiles} tiles` : ''}`;
}

/** `cpu, AMD EPYC, avx512, 8 threads`; `cuda:0, NVIDIA H200`. */
function deviceText({ kind, name, isa, threads, ordinal }: ModelInfo['device']): string {
  if (ordinal !== undefined) return `${kind}:${ordinal}, ${name}`;
  return [kind, name, isa, `${threads} threads`].filter(Boolean).join(', ');
}

/** `CLIP`, or `the CLIP of a LLaVA`. */
function towerText({ family, visionLanguage }: ModelInfo): string {
  return visionLanguage === null ? family : `the ${family} of ${withArticle(visionLanguage)}`;
}

function withArticle(name: string): string {
  return `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
}

function readyText({ fusedLayers, language }: ModelInfo): string {
  const asked = language?.visionLanguage === undefined ? '' : `, as ${withArticle(language.visionLanguage)} is asked`;
  return `ready${asked}${fusedLayers.length > 0 ? '' : '; without an adapter the question reaches the language model alone'}`;
}

function described(name: string, info: ModelInfo, files: ModelDescription, missing: string[]): [string, string][] {
  const { device, folders, fusedLayers, gates, language, memory } = info;
  const computed = info.layersComputed < info.L ? ` (${info.layersComputed} computed)` : '';
  return [
    ['model', name],
    ['tower', `${folders.tower} (${towerText(info)})`],
    ['adapter', folders.adapter ?? 'none'],
    ['language', language ? `${language.path} (${language.kind})` : 'none'],
    ...(folders.questions === undefined ? [] : [['questions read by', folders.questions] as [string, string]]),
    ['device', deviceText(device)],
    ['dtype', info.dtype],
    ['padding', info.padding],
    ['picture', pictureText(info)],
    ['tokens', tokensText(info)],
    ['width', `C = ${info.C}, H = ${info.H} heads, L = ${info.L} layers${computed}`],
    ...layersText(files),
    ['question', info.Dq === null ? 'not taken' : `Dq = ${info.Dq}`],
    ['projector', info.E === null ? 'none' : `E = ${info.E}`],
    ['fused layers', ranges(fusedLayers)],
    ['gates', gates.map((gate) => gate.toFixed(3)).join(' ') || 'none'],
    ...weightsRows(files),
    [
      'memory',
      `${size(memory.weightBytes)} weights, ${size(memory.tensorBytes)} tensors, ${size(memory.arenaBytes)} arena`,
    ],
    ['ask', missing.length === 0 ? readyText(info) : missing.join('; ')],
  ];
}

async function describe(folder: string | undefined, options: InfoOptions, signal: AbortSignal): Promise<void> {
  if (folder !== undefined && (options.model ?? options.tower) !== undefined) {
    throw new CliError(
      'Expected one model but received several',
      `leave out ${JSON.stringify(folder)} or the option`,
      EXIT.usage,
    );
  }
  const chosen = folder === undefined ? options : { ...options, model: folder };
  using status = new Status(options);
  const named = await namedModel(chosen);
  status.show(`reading ${nameOf(chosen)}`);
  const { describeFiles, locateParts } = await import('../../describe/index.js');
  const { offline, languageDtype } = options;
  const languageDType = languageDtype as LoadOptions['languageDType'];
  const parts = await locateParts(named, { offline, languageDType, signal, onProgress: showDownloads(status) });
  const files = await describeFiles(parts);
  const whole = parts.filter(({ missing }) => missing.length === 0);
  const server = typeof named !== 'string' && isServer(named.language);
  const missing = [...missingFiles(files), ...missingForAsk(files, server)];
  const [tower, adapter, language] = (['tower', 'adapter', 'language'] as const).map(
    (name) => whole.find(({ part }) => part === name)?.folder,
  );
  if (!options.load || tower === undefined || (files.adapter && adapter === undefined)) {
    status.clear();
    if (options.json) return printJson({ loaded: false, ...files, missingForAsk: missing }, signal);
    return print(table(describedFiles(nameOf(chosen), files, missing)), signal);
  }
  // Without the parts that lack something.
  const loadable = whole.length === parts.length ? named : { tower, adapter, language };
  await using model = await loadFolders(loadable, nameOf(chosen), options, status, signal);
  const { info } = model;
  missing.push(...missingForQuestions(info));
  if (options.json) return printJson({ loaded: true, ...info, files, missingForAsk: missing }, signal);
  return print(table(described(nameOf(chosen), info, files, missing)), signal);
}

export function addInfo(program: Command, signal: AbortSignal): Command {
  const command = program
    .command('info')
    .summary('describe a model, and what it lacks')
    .description('Describes a model: architecture, sizes, device, memory, gates, and what is missing for `ask`.')
    .argument('[model]', 'model folder, or org/name at a hub (default: the embedded demo model)')
    .addOption(new Option('--no-load', 'describe the files alone').conflicts([...LOADING]));
  return addModelOptions(command)
    .addHelpText('after', paragraph(ABOUT))
    .addHelpText('after', EXAMPLES)
    .action((folder: string | undefined, options: InfoOptions) => describe(folder, options, signal));
}
