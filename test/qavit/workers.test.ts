import { expect } from 'chai';
import { once } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { QAViT } from '../../lib';
import { features, noise } from '../support/pictures';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

describe('models in worker threads', () => {
  const at = temporaryFolder();

  it('survive 20 terminations amid their work, and leave this thread alone', async () => {
    const workerData = writeRandomModel(at('model'), { width: 128, heads: 2, mlp: 512, layers: 8 });
    await using model = await QAViT.load(workerData, { device: 'cpu' });
    const wanted = await model.encode(noise(32), features(5, 24));
    for (let i = 0; i < 20; i += 1) {
      const worker = new Worker(path.join(__dirname, '..', 'support', 'model-worker.js'), { workerData });
      const [message] = (await once(worker, 'message')) as [string];
      expect(message).to.equal('running');
      const running = model.encode(noise(32), features(5, 24));
      await worker.terminate();
      expect((await running).data).to.deep.equal(wanted.data);
    }
  });
});
