/** Worker threads, each with a model of its own, on one GPU. */
import { expect } from 'chai';
import { once } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { QAViT } from '../../lib';
import { emulated } from '../support/cuda';
import { type CudaWorkerTask, encodeRounds } from '../support/cuda-worker';
import { features, noise } from '../support/pictures';
import { SMALL, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const rounds = emulated ? 6 : 200;
const program = path.join(__dirname, '..', 'support', 'cuda-worker.js');

describe('CUDA: worker threads', () => {
  const at = temporaryFolder();
  const task = (rounds: number): CudaWorkerTask => ({ folders: writeRandomModel(at('model')), rounds });

  it('share a GPU with each other and with this thread, each with its own results', async () => {
    const workerData = task(rounds);
    await using model = await QAViT.load(workerData.folders, { device: 'cuda' });
    const wanted = await encodeRounds(model, 1);
    const workers = [0, 1].map(() => new Worker(program, { workerData }));
    const ended = workers.map((worker) => once(worker, 'exit'));
    const results = Promise.all(workers.map((worker) => once(worker, 'message')));
    expect(await encodeRounds(model, rounds)).to.deep.equal(wanted);
    for (const [found] of (await results) as [Float32Array[]][]) expect(found).to.deep.equal(wanted);
    expect((await Promise.all(ended)).flat()).to.deep.equal([0, 0]);
  });

  it('do not disturb each other with batches of other sizes, which the same kernels get other shared memory for', async () => {
    // On Hopper, attention of heads this wide takes more of it for few blocks than for many.
    const folders = writeRandomModel(at('wide'), { width: 128, heads: 2, layers: 3, mlp: 128 });
    await using one = await QAViT.load(folders, { device: 'cuda' });
    await using other = await QAViT.load(folders, { device: 'cuda' });
    const items = Array.from({ length: emulated ? 6 : 160 }, (_, i) => ({
      image: noise(SMALL.image, i % 3),
      question: features(3 + (i % 2), SMALL.questionWidth, i),
    }));
    const together = async () => (await one.encodeBatch(items)).map(({ data }) => data);
    const apart = async () => {
      const all = [];
      for (const { image, question } of items.slice(0, 8)) all.push((await other.encode(image, question)).data);
      return all;
    };
    // Batches of different sizes need not round alike, so each is held to itself undisturbed.
    const holdTo = async <T>(encode: () => Promise<T>, wanted: T): Promise<void> => {
      for (let i = 0; i < rounds; i += 1) expect(await encode()).to.deep.equal(wanted);
    };
    const [batch, singles] = [await together(), await apart()];
    await Promise.all([holdTo(together, batch), holdTo(apart, singles)]);
  });

  it('that are ended amid their work leave the others alone', async () => {
    const workerData = task(1_000_000);
    await using model = await QAViT.load(workerData.folders, { device: 'cuda' });
    const wanted = await encodeRounds(model, 1);
    for (let i = 0; i < 3; i += 1) {
      const worker = new Worker(program, { workerData });
      await once(worker, 'online');
      const running = encodeRounds(model, 2);
      await worker.terminate();
      expect(await running).to.deep.equal(wanted);
    }
  });
});
