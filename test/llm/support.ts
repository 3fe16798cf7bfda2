import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { GenerateOptions, LanguageModel, VisualTokens } from '../../lib/llm/language-model';
import { fixture } from '../support/paths';
import { readSafetensors } from '../support/safetensors';
import { f32, type TensorToWrite } from '../support/safetensors-writer';

/** Every form of folder that the fixtures have. */
export const FORMS = ['t5-tiny', 't5-tiny-pair', 'llama-tiny', 'llama-tiny-half'] as const;
export type Form = (typeof FORMS)[number] | 't5-plain' | 't5-gated' | 't5-tied';

/** E of all of them. */
export const WIDTH = 32;

/** What PyTorch answers, greedily, in at most 24 tokens. */
export interface ExpectedAnswer {
  question: string;
  prompt: string;
  rows: number;
  visual: number[];
  tokens: number[];
  text: string;
}

export interface ExpectedFeatures {
  question: string;
  maxTokens: number;
  rows: number;
  embedding: number[];
  encoder: number[];
}

export const folderOf = (form: Form): string => fixture('language', form);

export function readExpected(form: Form): { cases: ExpectedAnswer[]; features: ExpectedFeatures[] } {
  return JSON.parse(readFileSync(path.join(folderOf(form), 'expected.json'), 'utf8')) as ReturnType<
    typeof readExpected
  >;
}

export function visualOf({ visual, rows }: Pick<ExpectedAnswer, 'visual' | 'rows'>): VisualTokens {
  return { data: Float32Array.from(visual), shape: [rows, WIDTH] };
}

/** N rows of the same small numbers. */
export function someTokens(rows = 3): VisualTokens {
  return {
    data: Float32Array.from({ length: rows * WIDTH }, (_, i) => ((i * 7) % 13) / 13 - 0.5),
    shape: [rows, WIDTH],
  };
}

/** The pieces of an answer. */
export async function collect(
  model: LanguageModel,
  tokens: VisualTokens,
  question: string,
  options?: GenerateOptions,
): Promise<string[]> {
  const pieces: string[] = [];
  for await (const piece of model.generate(tokens, question, options)) pieces.push(piece);
  return pieces;
}

/** A copy of a folder with fields of its JSON files changed; undefined takes a field out. */
export function copyFolder(form: Form, to: string, changes: Record<string, object> = {}): string {
  cpSync(folderOf(form), to, { recursive: true });
  for (const [name, fields] of Object.entries(changes)) {
    const file = path.join(to, name);
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(readFileSync(file, 'utf8')) as object), ...fields }));
  }
  return to;
}

/** Lets a folder's tokenizer say one token more. */
export function addToken(dir: string, token: { id: number; content: string }): void {
  const file = path.join(dir, 'tokenizer.json');
  const tokenizer = JSON.parse(readFileSync(file, 'utf8')) as { added_tokens: object[] };
  const how = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added_tokens = [...tokenizer.added_tokens, { ...token, ...how }];
  writeFileSync(file, JSON.stringify({ ...tokenizer, added_tokens }));
}

/** A T5 that has no reason to stop: no end tokens, and positions without end. */
export function copyEndless(to: string, form: Form = 't5-tiny'): string {
  return copyFolder(form, to, { 'generation_config.json': { eos_token_id: [] } });
}

/** The weights of a folder, to write changed. */
export function tensorsOf(dir: string): Record<string, TensorToWrite> {
  const stored = readSafetensors(path.join(dir, 'model.safetensors'));
  return Object.fromEntries(
    [...stored].map(([name, { shape, data }]) => [name, f32([...shape], data as Float32Array)]),
  );
}
