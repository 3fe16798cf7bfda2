import { cpSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import type { AskOptions, QAViT, RawImage } from '../../lib';
import { fixture } from './paths';
import { writeJson } from './random-model';
import { readSafetensors } from './safetensors';

export const LLAVAS = ['clip-llama', 'siglip-qwen'] as const;
export type LlavaName = (typeof LLAVAS)[number];

/** A question and what stands around it, with the tokens of the whole prompt, one of them for the picture. */
export interface AskedLlava {
  question: string;
  system?: string;
  before?: string;
  ids: number[];
}

/** What transformers answers, greedily, in at most 16 tokens. */
export interface AnsweredLlava extends AskedLlava {
  tokens: number[];
  text: string;
}

export interface ExpectedLlava {
  answers: AnsweredLlava[];
  /** With the adapter. */
  fused: AnsweredLlava[];
  prompts: (AskedLlava & { name: string; template: string })[];
}

/** Also of a picture in tiles. */
export interface ExpectedMerging extends Omit<ExpectedLlava, 'prompts'> {
  tiled: Pick<ExpectedLlava, 'answers' | 'fused'>;
}

export const NEW_TOKENS = 16;
/** Models whose projector makes one row of several patches, with what transformers makes of a whole picture as one tile. */
export const MERGING = ['smolvlm', 'idefics3', 'internvl'] as const;
export type MergingName = (typeof MERGING)[number];
const mergingFixture = (name: MergingName): string => (name === 'internvl' ? 'internvl' : 'smolvlm');
export const mergingFolder = (name: MergingName): string => fixture(mergingFixture(name), name);
/** Of smolvlm or internvl. */
export const mergingAdapter = (name: MergingName): string => fixture(mergingFixture(name), 'adapter');
/** Models whose projected rows are laid out in lines, with what transformers makes of a whole picture as one line. */
export const LINED = ['llava-next', 'onevision'] as const;
export type LinedName = (typeof LINED)[number];
export const linedFolder = (name: LinedName): string => fixture('llava_next', name);
/** Of llava-next. */
export const linedAdapter = fixture('llava_next', 'adapter');
/** Models whose rows see each other in both directions: those of a prompt (PaliGemma), or of a picture (Gemma 3). */
export const TWO_WAY = ['paligemma', 'paligemma2', 'gemma3'] as const;
export type TwoWayName = (typeof TWO_WAY)[number];
const twoWayFixture = (name: TwoWayName): string => (name === 'gemma3' ? 'gemma3' : 'paligemma');
export const twoWayFolder = (name: TwoWayName): string => fixture(twoWayFixture(name), name);
/** Of paligemma or gemma3. */
export const twoWayAdapter = (name: TwoWayName): string => fixture(twoWayFixture(name), 'adapter');
/** Models whose language half is told where in the picture rows are. */
export const PLACED = ['qwen2_vl', 'published'] as const;
export type PlacedName = (typeof PLACED)[number];
export const placedFolder = (name: PlacedName): string => fixture('qwen2_vl', name);
/** Of qwen2_vl. */
export const placedAdapter = fixture('qwen2_vl', 'adapter');
export const llavaFolder = (name: LlavaName): string => fixture('llava', name);
export const llavaAdapter = fixture('llava', 'adapter');

export function expectedLlava(name: LlavaName): ExpectedLlava {
  return expectedIn('llava', name);
}

export function expectedMerging(name: MergingName): ExpectedMerging {
  return expectedIn(mergingFixture(name), name);
}

export function expectedLined(name: LinedName): ExpectedMerging {
  return expectedIn('llava_next', name);
}

export function expectedTwoWay(name: TwoWayName): Omit<ExpectedLlava, 'prompts'> {
  return expectedIn(twoWayFixture(name), name);
}

export function expectedPlaced(name: PlacedName): Omit<ExpectedLlava, 'prompts'> {
  return expectedIn('qwen2_vl', name);
}

function expectedIn<T>(folder: string, name: string): T {
  const all = JSON.parse(readFileSync(fixture(folder, 'expected.json'), 'utf8')) as Record<string, T>;
  return all[name]!;
}

export function llavaTensors(name: LlavaName) {
  return tensorsIn('llava', name);
}

export function mergingTensors(name: MergingName) {
  return tensorsIn(mergingFixture(name), name);
}

export function linedTensors(name: LinedName) {
  return tensorsIn('llava_next', name);
}

export function twoWayTensors(name: TwoWayName) {
  return tensorsIn(twoWayFixture(name), name);
}

export function placedTensors(name: PlacedName) {
  return tensorsIn('qwen2_vl', name);
}

/** Projected: of each tile and the whole, [V, N, E]. */
export function tiledTensors(name: MergingName) {
  return tiledTensorsIn(mergingFixture(name), name);
}

/** Projected: [1, N, E]. */
export function tiledLines(name: LinedName) {
  return tiledTensorsIn('llava_next', name);
}

function tiledTensorsIn(folder: string, name: string) {
  const tensors = readSafetensors(fixture(folder, 'expected.safetensors'));
  return { picture: pictureOf(tensors.get(`${name}/tiled_pixels`)!), projected: tensors.get(`${name}/tiled`)! };
}

function tensorsIn(folder: string, name: string) {
  const tensors = readSafetensors(fixture(folder, 'expected.safetensors'));
  return { picture: pictureOf(tensors.get(`${name}/pixels`)!), projected: tensors.get(`${name}/projected`)! };
}

function pictureOf({ data, shape: [height = 0, width = 0] }: { data: ArrayLike<number>; shape: number[] }): RawImage {
  return { data: Uint8Array.from(data), width, height, channels: 3 };
}

/** What a caller says around a question. */
export function framingOf({ system, before }: Omit<AskedLlava, 'ids'>): { system?: string; before?: string } {
  return { ...(system !== undefined && { system }), ...(before !== undefined && { before }) };
}

/** A model's answer, put together. */
export async function saidBy(
  model: QAViT,
  image: Parameters<QAViT['ask']>[0],
  asked: Omit<AskedLlava, 'ids'>,
  options: AskOptions = {},
): Promise<string> {
  let text = '';
  const settings = { maxNewTokens: NEW_TOKENS, ...framingOf(asked), ...options };
  for await (const piece of model.ask(image, asked.question, settings)) text += piece;
  return text;
}

type Changes = Record<string, Record<string, unknown> | null>;

/** A copy with fields of its JSON files changed; undefined takes a field out, and null a whole file. */
export function copyLlava(name: LlavaName, to: string, changes: Changes = {}): string {
  return copyChanged(llavaFolder(name), to, changes);
}

export function copyLined(name: LinedName, to: string, changes: Changes = {}): string {
  return copyChanged(linedFolder(name), to, changes);
}

export function copyMerging(name: MergingName, to: string, changes: Changes = {}): string {
  return copyChanged(mergingFolder(name), to, changes);
}

export function copyTwoWay(name: TwoWayName, to: string, changes: Changes = {}): string {
  return copyChanged(twoWayFolder(name), to, changes);
}

export function copyPlaced(name: PlacedName, to: string, changes: Changes = {}): string {
  return copyChanged(placedFolder(name), to, changes);
}

function copyChanged(from: string, to: string, changes: Changes): string {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
  for (const [file, fields] of Object.entries(changes)) {
    const full = path.join(to, file);
    if (fields === null) rmSync(full, { recursive: true });
    else writeJson(full, { ...(JSON.parse(readFileSync(full, 'utf8')) as object), ...fields });
  }
  return to;
}
