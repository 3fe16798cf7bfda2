/**
 * Prints how far loading a tower and its adapter raises this process's resident memory at most, and what stays as weights, in bytes:
 * the folder of a small pair, which brings the code and threads that every model needs, that of the pair, dtype. Sampled, since the
 * system's own peak is inherited from the parent process.
 */
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { QAViT } from '../../lib';

async function main([small, folder, dtype]: string[]): Promise<void> {
  const load = (pair: string | undefined) => {
    const [tower, adapter] = ['tower', 'adapter'].map((part) => path.join(pair!, part));
    return QAViT.load({ tower: tower!, adapter }, { device: 'cpu', dtype: dtype as 'f32' | 'bf16', threads: 2 });
  };
  await using first = await load(small);
  const before = process.memoryUsage.rss();
  let peak = before;
  let loaded = false;
  const loading = load(folder).finally(() => (loaded = true));
  while (!loaded) {
    await turn();
    peak = Math.max(peak, process.memoryUsage.rss());
  }
  await using model = await loading;
  const weights = model.info.memory.weightBytes - first.info.memory.weightBytes;
  console.log(JSON.stringify({ peak: peak - before, weights }));
}

void main(process.argv.slice(2));
