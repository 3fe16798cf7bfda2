import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { QAViT } from '../../lib';
import { fixture } from '../support/paths';
import { writeRandomModel } from '../support/random-model';
import { Served } from './served';
import { makePairs, type Pair } from './world';

/** The tiny T5's E and Dq. */
const WIDTH = 32;
const TOWER = {
  width: 64,
  heads: 2,
  layers: 4,
  mlp: 128,
  patch: 8,
  image: 64,
  questionWidth: WIDTH,
  languageWidth: WIDTH,
};

/**
 * A server whose answers a T5 writes on qavit's own engine, several together, in the server's process. Its weights are random, and it
 * says something else to nearly every pair, at length: answers mixed up with their neighbours' would show.
 *
 * The model is named `demo`, as the clients ask for it.
 */
export async function withT5Served<T>(
  args: readonly string[],
  pictures: number,
  use: (served: Served, pairs: readonly Pair[]) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-load-t5-'));
  try {
    const folders = { ...writeRandomModel(folder, TOWER), language: fixture('language', 't5-gated') };
    const pairs = await alone(folders, pictures);
    const named = Object.entries(folders).flatMap(([part, where]) => [`--${part}`, where]);
    await using served = await Served.start([...named, '--name', 'demo', ...args]);
    return await use(served, pairs);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the library says to each pair when nobody else asks. */
async function alone(folders: { tower: string; adapter: string; language: string }, count: number): Promise<Pair[]> {
  await using model = await QAViT.load(folders, { device: 'cpu' });
  return await makePairs(model, count);
}
