import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { temporaryFolder } from '../support/temporary';
import { copyEndless } from './support';

const program = path.join(__dirname, 'exit-program.js');

for (const form of ['t5-tiny', 't5-plain'] as const) {
  describe(`leaving a language model: ${form}`, () => {
    const at = temporaryFolder();
    let dir: string;
    before(() => {
      dir = copyEndless(at('endless'), form);
    });

    for (const [ending, what, code, signal] of [
      ['idle', 'lets a process end although the model is open', 0, null],
      ['abandon', 'lets a process end when nobody fetches the rest of an answer', 0, null],
      ['exit', 'ends at process.exit() in the middle of an answer', 7, null],
      ['kill', 'takes the worker along when the process is killed', null, 'SIGKILL'],
    ] as const) {
      it(what, async () => {
        const child = spawn(process.execPath, [program, ending, dir], { stdio: ['ignore', 'ignore', 'pipe'] });
        let errors = '';
        child.stderr.on('data', (data: Buffer) => (errors += data.toString()));
        // 'close' comes when the last process that holds the pipe has ended, which the worker is.
        expect(await once(child, 'close')).to.deep.equal([code, signal]);
        expect(errors).to.equal('');
      });
    }

    it('survives 20 terminations of a worker thread in the middle of an answer', async () => {
      for (let i = 0; i < 20; i++) {
        const thread = new Worker(program, { workerData: ['busy', dir] });
        await once(thread, 'message');
        await sleep(i);
        expect(await thread.terminate()).to.equal(1);
      }
    });
  });
}
