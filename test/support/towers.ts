import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import type { LoadOptions, ModelFolders } from '../../lib';
import { fixture } from './paths';
import { readSafetensors, type StoredTensor } from './safetensors';

/** One forward pass with PyTorch's results; written by training/fixtures/forward.py. */
export interface TowerCase {
  name: string;
  /** Absolute; null for the plain tower. */
  adapter: string | null;
  padding: 'mask' | 'attend';
  /** What the case asks for when the model is loaded, beyond its padding. */
  options?: Pick<LoadOptions, 'imageSize' | 'hiddenLayer' | 'keepClass' | 'visualTokens'>;
  /** u8 [B, height, width, 3]: prepared, not normalised. */
  pixels: StoredTensor<Uint8Array>;
  /** Real tokens of each sample's question; null where there is none. */
  lengths: number[] | null;
  /** [B, K, Dq]. Rows past a length are poison with padding 'mask', zeros with 'attend'. */
  question: StoredTensor<Float32Array> | undefined;
  /** Of float64: [B, N, C], and [B, N, E] where the adapter has a projector. */
  tower: StoredTensor<Float32Array>;
  projected: StoredTensor<Float32Array> | undefined;
  /** PyTorch bf16's own relative Frobenius error. */
  bf16: { tower: number; projected?: number };
}

export interface TowerFixture {
  name: string;
  /** A Hugging Face folder. */
  tower: string;
  cases: TowerCase[];
}

/** Reads one folder: a committed one, or one that `python -m fixtures.parity` made. */
export function readTowerFixture(folder: string): TowerFixture {
  const file = JSON.parse(readFileSync(path.join(folder, 'cases.json'), 'utf8')) as {
    tower: string;
    cases: Pick<TowerCase, 'name' | 'adapter' | 'padding' | 'options' | 'lengths' | 'bf16'>[];
  };
  const tensors = readSafetensors(path.join(folder, 'expected.safetensors'));
  const floats = (name: string) => tensors.get(name) as StoredTensor<Float32Array> | undefined;
  const cases = file.cases.map((entry) => {
    const tower = floats(`${entry.name}/tower`)!;
    const { imageSize } = entry.options ?? {};
    const pixels = tensors.get(pixelsName(imageSize)) as StoredTensor<Uint8Array>;
    return {
      ...entry,
      adapter: entry.adapter && path.join(folder, entry.adapter),
      pixels: firstPictures(pixels, tower.shape[0]!),
      question: floats(`${entry.name}/question`),
      tower,
      projected: floats(`${entry.name}/projected`),
    };
  });
  return { name: path.basename(folder), tower: path.join(folder, file.tower), cases };
}

function pixelsName(size: LoadOptions['imageSize']): string {
  if (typeof size === 'object' && 'width' in size) return `pixels-${size.width}x${size.height}`;
  return typeof size === 'number' ? `pixels-${size}` : 'pixels';
}

/** What QAViT.load is given for a case. */
export function loadingOf({ tower }: TowerFixture, { adapter, padding, options }: TowerCase) {
  const folders: ModelFolders = { tower, ...(adapter === null ? {} : { adapter }) };
  return { folders, options: { padding, ...options } satisfies LoadOptions };
}

/** The committed ones. */
export function towerFixtures(): TowerFixture[] {
  return readdirSync(fixture('towers')).map((name) => readTowerFixture(fixture('towers', name)));
}

function firstPictures({ shape, data }: StoredTensor<Uint8Array>, count: number): StoredTensor<Uint8Array> {
  const [, ...picture] = shape;
  return { shape: [count, ...picture], data: data.subarray(0, count * picture.reduce((a, b) => a * b, 1)) };
}
