import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { WorkerTask } from '../support/native-worker';

const script = path.join(__dirname, '..', 'support', 'native-worker.js');

const start = (task: WorkerTask): Worker => new Worker(script, { workerData: task });

/** Runs a task in a process of its own: { code, signal }. */
async function inProcess(task: WorkerTask): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
  const child = spawn(process.execPath, [script, JSON.stringify(task)], { stdio: 'ignore' });
  const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

describe('native: worker threads', () => {
  for (const kind of ['reference', 'cpu'] as const) {
    describe(kind, () => {
      it('computes in several at once', async () => {
        const workers = Array.from({ length: 4 }, () => start({ kind, task: 'finish' }));
        // Asked for together: a worker's last message and its exit may arrive in one turn.
        const results = await Promise.all(
          workers.map((worker) => Promise.all([once(worker, 'message'), once(worker, 'exit')])),
        );
        for (const result of results) expect(result).to.deep.equal([[{ length: 64 * 256, sum: 0 }], [0]]);
      });

      it('lets a worker end that leaves its device open', async () => {
        const worker = start({ kind, task: 'forget' });
        const [code] = (await once(worker, 'exit')) as [number];
        expect(code).to.equal(0);
      });

      it('survives 20 terminations in the middle of work', async () => {
        for (let i = 0; i < 20; i += 1) {
          const worker = start({ kind, task: 'busy' });
          const [message] = (await once(worker, 'message')) as unknown[];
          expect(message).to.equal('running');
          await sleep(i); // at a different moment each time
          expect(await worker.terminate()).to.equal(1);
        }
      });

      it('survives process.exit() in a worker in the middle of work', async () => {
        const worker = start({ kind, task: 'leave' });
        const [code] = (await once(worker, 'exit')) as [number];
        expect(code).to.equal(0);
      });
    });
  }

  describe('processes', () => {
    it('end by themselves when a device is left open', async () => {
      expect(await inProcess({ kind: 'cpu', task: 'forget' })).to.deep.equal({ code: 0, signal: null });
    });
    it('end at process.exit() in the middle of work', async () => {
      expect(await inProcess({ kind: 'cpu', task: 'leave' })).to.deep.equal({ code: 0, signal: null });
    });
    it('end with code 1, and no signal, after an uncaught exception in the middle of work', async () => {
      expect(await inProcess({ kind: 'cpu', task: 'throw' })).to.deep.equal({ code: 1, signal: null });
    });
  });
});
