import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { QAViT } from '../../lib';
import { fixture } from '../support/paths';
import { writeRandomModel } from '../support/random-model';

/** The sizes of public CLIP towers, from the smallest on. A picture of the demo's takes less than the request about it. */
const SIZES = {
  'ViT-B/32': { width: 768, heads: 12, layers: 12, mlp: 3072, patch: 32, image: 224 },
  'ViT-L/14': { width: 1024, heads: 16, layers: 24, mlp: 4096, patch: 14, image: 224 },
};

/** A model of random weights for measurements that ask how much a server takes of what the tower can do. */
export async function withModelLike<T>(size: keyof typeof SIZES, use: (model: QAViT) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'qavit-load-'));
  try {
    const written = writeRandomModel(folder, { ...SIZES[size], questionWidth: 32, languageWidth: 32 });
    const folders = { ...written, language: fixture('language', 't5-tiny') };
    await using model = await QAViT.load(folders, { device: 'cpu' });
    return await use(model);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
