import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fixture } from './paths';
import { readSafetensors } from './safetensors';
import { f32, type TensorToWrite, writeSafetensors } from './safetensors-writer';

export interface TowerChange {
  tensors?: (all: Record<string, TensorToWrite>) => void;
  /** Fields over config.json. */
  config?: Record<string, unknown>;
  /** Fields over preprocessor_config.json. */
  preprocessor?: Record<string, unknown>;
}

/** A committed tower of f32 with something changed, as folder `to`. */
export function changedTower(name: string, to: string, { tensors, config, preprocessor }: TowerChange): string {
  rmSync(to, { recursive: true, force: true });
  cpSync(fixture('towers', name, 'tower'), to, { recursive: true });
  if (tensors) changeTensors(to, tensors);
  change(path.join(to, 'config.json'), config);
  change(path.join(to, 'preprocessor_config.json'), preprocessor);
  return to;
}

/** Of a folder with f32 tensors in one file. */
export function changeTensors(folder: string, change: (all: Record<string, TensorToWrite>) => unknown): void {
  const file = path.join(folder, 'model.safetensors');
  const all = tensorsIn(file);
  change(all);
  writeSafetensors(file, all);
}

export function tensorsOf(name: string): Record<string, TensorToWrite> {
  return tensorsIn(fixture('towers', name, 'tower', 'model.safetensors'));
}

function tensorsIn(file: string): Record<string, TensorToWrite> {
  const stored = readSafetensors(file);
  return Object.fromEntries(
    [...stored].map(([key, { shape, data }]) => [key, f32(shape, Float32Array.from(data as Float32Array))]),
  );
}

function change(file: string, fields: Record<string, unknown> | undefined): void {
  if (!fields) return;
  const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  writeFileSync(file, JSON.stringify({ ...json, ...fields }));
}
