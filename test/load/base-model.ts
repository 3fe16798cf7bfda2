import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { QAViT } from '../../lib';
import { fixture } from '../support/paths';
import { writeRandomModel } from '../support/random-model';

/** The size of ViT-B/32, the smallest of the public CLIP towers. A picture of the demo's takes less than the request about it. */
const SIZE = {
  width: 768,
  heads: 12,
  layers: 12,
  mlp: 3072,
  patch: 32,
  image: 224,
  questionWidth: 32,
  languageWidth: 32,
};

/** A model of random weights for measurements that ask how much a server takes of what the tower can do. */
export async function withBaseModel<T>(use: (model: QAViT) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-load-'));
  try {
    const folders = { ...writeRandomModel(folder, SIZE), language: fixture('language', 't5-tiny') };
    await using model = await QAViT.load(folders, { device: 'cpu' });
    return await use(model);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
