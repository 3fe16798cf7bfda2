/** What training/peers/cpu_make.py wrote for every contestant. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Spec } from './spec';

/** How many questions are in the file. */
const QUESTIONS = 8;

export interface Inputs {
  /** Side of a picture. */
  edge: number;
  /** u8 [images, edge, edge, 3] */
  pixels: Uint8Array;
}

export function readInputs({ directory = '', images = 1 }: Spec): Inputs {
  const config = readFileSync(path.join(directory, 'tower', 'config.json'), 'utf8');
  const { image_size: edge } = JSON.parse(config) as { image_size: number };
  const all = new Uint8Array(readFileSync(path.join(directory, 'pixels.u8')));
  return { edge, pixels: all.subarray(0, images * edge * edge * 3) };
}

/** f32 [K, Dq] of each question: the first K rows of those in the file. */
export function readQuestions({ directory = '', questions = 0, tokens = 0 }: Spec, width: number): Float32Array[] {
  const bytes = new Uint8Array(readFileSync(path.join(directory, 'questions.f32')));
  const all = new Float32Array(bytes.buffer);
  const each = all.length / QUESTIONS;
  return Array.from({ length: questions }, (_, i) => all.slice(i * each, i * each + tokens * width));
}
