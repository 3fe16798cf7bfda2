import type { DescribedAdapter, DescribedTower, ModelDescription } from '../../describe';
import { ranges, size } from '../output';

type Row = [string, string];

const PARTS = ['tower', 'adapter', 'language'] as const;

/** `pre-LN, MLP of 4096 with quick_gelu, heads of 64` */
export function layersText({ tower }: ModelDescription): Row[] {
  if (!tower || !('L' in tower)) return [];
  const { C, H, mlpWidth, activation } = tower;
  return [['layers', `pre-LN, MLP of ${mlpWidth} with ${activation}, heads of ${C / H}`]];
}

/** `303.2 million numbers, 1.2 GB as F32`, for each part with weights. */
export function weightsRows(files: ModelDescription): Row[] {
  return PARTS.flatMap((part): Row[] => {
    const weights = files[part]?.weights;
    if (!weights) return [];
    const { parameters, bytes, dtypes } = weights;
    const count = parameters < 1e5 ? String(parameters) : `${(parameters / 1e6).toFixed(1)} million`;
    return [[`${part} files`, `${count} numbers, ${size(bytes)} as ${dtypes.join(', ')}`]];
  });
}

/** What parts lack, each with what would bring it. */
export function missingFiles(files: ModelDescription): string[] {
  return PARTS.flatMap((part) => {
    const { folder = '', missing = [], fix = '' } = files[part] ?? {};
    return missing.length > 0 ? [`${part} ${folder} lacks ${missing.join(', ')}: ${fix}`] : [];
  });
}

/** A model that is not loaded. */
export function describedFiles(name: string, files: ModelDescription, missing: readonly string[]): Row[] {
  const { tower, adapter, language } = files;
  const family = tower && 'family' in tower ? ` (${tower.family})` : '';
  return [
    ['model', `${name}, not loaded`],
    ['tower', tower ? `${tower.folder}${family}` : 'none'],
    ['adapter', adapter?.folder ?? 'none'],
    ['language', languageText(files)],
    ...(tower && 'L' in tower ? towerRows(tower) : []),
    ...layersText(files),
    ...(adapter && 'Dq' in adapter ? adapterRows(adapter) : []),
    ...weightsRows({ tower, adapter, language }),
    ['ask', missing.length === 0 ? 'ready' : missing.join('; ')],
  ];
}

function towerRows({ trainedImage, maxPatches, patch, M, C, H, L }: DescribedTower): Row[] {
  const { width, height } = trainedImage;
  const own = `each in its own shape, of at most ${maxPatches} patches of ${patch}`;
  const trained = `${width} × ${height} pixels in patches of ${patch}, as its positions are`;
  return [
    ['picture', maxPatches === undefined ? trained : own],
    ['tokens', maxPatches === undefined ? `M = ${M} for such a picture` : `M ≤ ${M}`],
    ['width', `C = ${C}, H = ${H} heads, L = ${L} layers`],
  ];
}

function adapterRows({
  Dq,
  E,
  fusedLayers,
  gates,
  image,
}: Extract<ModelDescription['adapter'], { Dq: number }>): Row[] {
  const unknown = 'unknown without its weights';
  return [
    ['question', `Dq = ${Dq}`],
    ['projector', E === undefined ? unknown : E === null ? 'none' : `E = ${E}`],
    ['fused layers', ranges(fusedLayers)],
    ...(image ? [['trained on', trainedOnText(image)] as Row] : []),
    ['gates', gates?.map((gate) => gate.toFixed(3)).join(' ') ?? unknown],
  ];
}

function trainedOnText(image: NonNullable<DescribedAdapter['image']>): string {
  if ('maxPatches' in image) return `pictures in their own shapes, of at most ${image.maxPatches} patches`;
  return `${image.width} × ${image.height} pixels`;
}

function languageText({ language }: ModelDescription): string {
  if (!language) return 'none';
  if (!('kind' in language)) return language.folder;
  const { folder, kind, runtime, E, vocabularySize } = language;
  const width = E === undefined ? '' : `E = ${E}, `;
  return `${folder} (${kind} on ${runtime}, ${width}${vocabularySize} tokens)`;
}
