/** Worker threads, each with a model of its own, on one GPU. */
import { expect } from 'chai';
import { once } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { QAViT } from '../../lib';
import { emulated } from '../support/cuda';
import { type CudaWorkerTask, encodeRounds } from '../support/cuda-worker';
import { writeRandomModel } from '../support/random-model';
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
