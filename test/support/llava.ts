import { cpSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
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

export const NEW_TOKENS = 16;
export const llavaFolder = (name: LlavaName): string => fixture('llava', name);
export const llavaAdapter = fixture('llava', 'adapter');

export function expectedLlava(name: LlavaName): ExpectedLlava {
  const all = JSON.parse(readFileSync(fixture('llava', 'expected.json'), 'utf8')) as Record<LlavaName, ExpectedLlava>;
  return all[name];
}

export function llavaTensors(name: LlavaName) {
  const tensors = readSafetensors(fixture('llava', 'expected.safetensors'));
  const { data, shape } = tensors.get(`${name}/pixels`)!;
  const [height = 0, width = 0] = shape;
  const picture = { data: Uint8Array.from(data as Uint8Array), width, height, channels: 3 as const };
  return { picture, projected: tensors.get(`${name}/projected`)! };
}

/** What a caller says around a question. */
export function framingOf({ system, before }: AskedLlava): { system?: string; before?: string } {
  return { ...(system !== undefined && { system }), ...(before !== undefined && { before }) };
}

/** A copy with fields of its JSON files changed; undefined takes a field out, and null a whole file. */
export function copyLlava(
  name: LlavaName,
  to: string,
  changes: Record<string, Record<string, unknown> | null> = {},
): string {
  rmSync(to, { recursive: true, force: true });
  cpSync(llavaFolder(name), to, { recursive: true });
  for (const [file, fields] of Object.entries(changes)) {
    const full = path.join(to, file);
    if (fields === null) rmSync(full, { recursive: true });
    else writeJson(full, { ...(JSON.parse(readFileSync(full, 'utf8')) as object), ...fields });
  }
  return to;
}
