import { expect } from 'chai';
import childProcess, { type ChildProcess } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LanguageModel, QuestionEncoding } from '../../lib/llm/language-model';
import { loadLanguageModel } from '../../lib/llm/load-language-model';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';
import { collect, copyEndless, folderOf, someTokens } from './support';

const HOW: QuestionEncoding = { features: 'encoder', normalization: 'none', maxTokens: 30 };
const ENDLESS = { maxNewTokens: 1_000_000 };

describe('language model lifetime', () => {
  const at = temporaryFolder();
  const fork = childProcess.fork;
  /** Worker processes, the newest last. */
  const workers: ChildProcess[] = [];
  let dir: string;
  let model: LanguageModel;

  before(() => {
    dir = copyEndless(at('endless'));
    childProcess.fork = ((...args: Parameters<typeof fork>) => {
      const worker = fork(...args);
      workers.push(worker);
      return worker;
    }) as typeof fork;
  });
  after(() => {
    childProcess.fork = fork;
    const left = workers.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
    expect(left).to.have.length(0);
  });
  beforeEach(async () => {
    model = await loadLanguageModel(dir);
  });
  afterEach(() => model.close());

  const newest = () => workers.at(-1)!;
  const generate = (signal?: AbortSignal) =>
    model.generate(someTokens(), 'what shape?', { ...ENDLESS, signal })[Symbol.asyncIterator]();
  const stillAnswers = async () => {
    expect(await collect(model, someTokens(), 'what shape?', { maxNewTokens: 3 })).to.not.have.length(0);
  };

  it('keeps this process until the other has ended, whatever still comes from it', () => {
    // A worker that answers at once; its answer lies in the pipe when close() is called.
    writeFileSync(
      at('worker.js'),
      "process.on('message', ({ id }) => process.send({ id, reply: { kind: 'result' } }));",
    );
    const module = path.join(__dirname, '..', '..', 'lib', 'llm', 'onnx', 'worker-process.js');
    const program = `
      const { WorkerProcess } = require(${JSON.stringify(module)});
      const worker = new WorkerProcess('test', ${JSON.stringify(at('worker.js'))});
      (async () => {
        await worker.run({ kind: 'load' }).next();
        worker.run({ kind: 'load' }).next().catch(() => {});
        const end = Date.now() + 300;
        while (Date.now() < end);
        await worker.close();
        console.log('closed');
      })();`;
    const { stdout, status } = childProcess.spawnSync(process.execPath, ['-e', program], { encoding: 'utf8' });
    expect([stdout, status]).to.deep.equal(['closed\n', 0]);
  });

  describe('AbortSignal', () => {
    it('stops before anything has begun', async () => {
      await expectRejection(generate(AbortSignal.abort()).next(), 'ERR_ABORTED');
      await expectRejection(model.encodeQuestion('a', HOW, { signal: AbortSignal.abort() }), 'ERR_ABORTED');
      await stillAnswers();
    });

    it('ends loading, of ONNX files and of a T5', async () => {
      for (const folder of [dir, fixture('language', 't5-plain')]) {
        const controller = new AbortController();
        const loading = loadLanguageModel(folder, { signal: controller.signal });
        setImmediate(() => controller.abort());
        await expectRejection(loading, 'ERR_ABORTED');
        await expectRejection(loadLanguageModel(folder, { signal: AbortSignal.abort() }), 'ERR_ABORTED');
        expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
      }
    });

    it('stops between two tokens', async () => {
      const controller = new AbortController();
      const pieces = generate(controller.signal);
      await pieces.next();
      const reason = new Error('enough');
      controller.abort(reason);
      const error: unknown = await pieces.next().catch((failure: unknown) => failure);
      expect(error).to.include({ code: 'ERR_ABORTED', cause: reason });
      expect(await pieces.next()).to.deep.equal({ done: true, value: undefined });
      await stillAnswers();
    });

    it('does not wait for a computation', async () => {
      newest().kill('SIGSTOP');
      const controller = new AbortController();
      const waiting = [
        generate(controller.signal).next(),
        model.encodeQuestion('a', HOW, { signal: controller.signal }),
      ];
      setImmediate(() => controller.abort());
      for (const promise of waiting) await expectRejection(promise, 'ERR_ABORTED');
      newest().kill('SIGCONT');
      await stillAnswers();
    });

    it('leaves no listener behind', async () => {
      const { signal } = new AbortController();
      const pieces = generate(signal);
      await pieces.next();
      expect(getEventListeners(signal, 'abort')).to.have.length(1);
      await pieces.return?.();
      await model.encodeQuestion('a', HOW, { signal });
      expect(getEventListeners(signal, 'abort')).to.have.length(0);
    });
  });

  it('stops working when the loop is left', async () => {
    for await (const piece of model.generate(someTokens(), 'what shape?', ENDLESS)) {
      expect(piece).to.not.equal('');
      break;
    }
    // The worker says so itself: it is asked for one more answer, and the rest of its messages come from that.
    await stillAnswers();
    let late = 0;
    newest().on('message', () => late++);
    await sleep(50);
    expect(late).to.equal(0);
  });

  it('starts nothing before the first piece is asked for', async () => {
    let sent = 0;
    const worker = newest();
    const send = worker.send.bind(worker) as (...args: unknown[]) => boolean;
    worker.send = (...args: unknown[]) => {
      sent++;
      return send(...args);
    };
    const pieces = generate();
    await sleep(5);
    expect(sent).to.equal(0);
    await pieces.next();
    expect(sent).to.equal(1);
    await pieces.return?.();
    expect(sent).to.equal(2);
  });

  describe('close', () => {
    it('ends what runs, and may be called again', async () => {
      const pieces = generate();
      await pieces.next();
      newest().kill('SIGSTOP');
      const waiting = [model.encodeQuestion('a', HOW), generate().next()];
      const closing = Promise.all([model.close(), model.close()]);
      for (const promise of waiting) await expectRejection(promise, 'ERR_ABORTED', /received close\(\)$/);
      await closing;
      await model.close();
      expect(newest().signalCode).to.equal('SIGKILL');
      await expectRejection(
        (async () => {
          while (!(await pieces.next()).done);
        })(),
        'ERR_ABORTED',
      );
    });

    it('refuses later calls', async () => {
      await model.close();
      const message = /^Expected an open language model for .* but received a closed one$/;
      await expectRejection(generate().next(), 'ERR_ARGUMENT', message);
      await expectRejection(model.encodeQuestion('a', HOW), 'ERR_ARGUMENT', message);
    });
  });

  describe('the worker process', () => {
    it('fails the calls under way when it dies, and is started again by the next', async () => {
      const pieces = generate();
      await pieces.next();
      newest().kill('SIGSTOP');
      const waiting = [generate().next(), model.encodeQuestion('a', HOW)];
      newest().kill('SIGKILL');
      for (const promise of waiting) await expectRejection(promise, 'ERR_DEVICE', /received the signal SIGKILL$/);
      const dead = workers.length;
      await Promise.all([stillAnswers(), model.encodeQuestion('a', HOW)]);
      expect(workers).to.have.length(dead + 1);
      await model.close();
    });

    it('gets the tokens as they were when it has to be started first', async () => {
      const options = { maxNewTokens: 6 };
      const wanted = await collect(model, someTokens(), 'what shape?', options);
      newest().kill('SIGKILL');
      await expectRejection(model.encodeQuestion('a', HOW), 'ERR_DEVICE');
      const mine = someTokens();
      const said = collect(model, mine, 'what shape?', options);
      mine.data.fill(0);
      expect(await said).to.deep.equal(wanted);
    });

    it('is not started again by a model that is closed meanwhile', async () => {
      newest().kill('SIGKILL');
      const waiting = expectRejection(model.encodeQuestion('a', HOW), 'ERR_DEVICE');
      await waiting;
      const late = model.encodeQuestion('a', HOW).catch((error: unknown) => error);
      await model.close();
      expect(await late).to.have.property('code');
      await expectRejection(model.encodeQuestion('a', HOW), 'ERR_ARGUMENT', /an open language model/);
    });

    it('is not waited for, while it is started again, by a call that is aborted or a model that is closed', async () => {
      newest().kill('SIGKILL');
      await expectRejection(model.encodeQuestion('a', HOW), 'ERR_DEVICE');
      const forked = workers.length;
      await expectRejection(model.encodeQuestion('a', HOW, { signal: AbortSignal.abort() }), 'ERR_ABORTED');
      expect(workers).to.have.length(forked);
      const controller = new AbortController();
      const patient = model.encodeQuestion('a', HOW);
      const waiting = [
        generate(controller.signal).next(),
        model.encodeQuestion('a', HOW, { signal: controller.signal }),
      ];
      newest().kill('SIGSTOP');
      expect(workers).to.have.length(forked + 1);
      controller.abort();
      for (const promise of waiting) await expectRejection(promise, 'ERR_ABORTED');
      await Promise.all([model.close(), expectRejection(patient, 'ERR_ABORTED', /received close\(\)$/)]);
      expect(newest().signalCode).to.equal('SIGKILL');
    });

    it('is not ended by the signals that a terminal or a service manager sends to all', async () => {
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) newest().kill(signal);
      await stillAnswers();
    });

    it('is an error where it cannot be started', async () => {
      const { execPath } = process;
      process.execPath = '/no/such/node';
      try {
        await expectRejection(loadLanguageModel(dir), 'ERR_DEVICE', /ENOENT/);
      } finally {
        process.execPath = execPath;
        workers.pop();
      }
    });

    it('is gone when loading has failed', async () => {
      await expectRejection(loadLanguageModel(at('nothing')), 'ERR_ARGUMENT');
      expect(newest().signalCode).to.equal('SIGKILL');
    });
  });

  it('opens and closes any number of times', async () => {
    const before = workers.length;
    for (let i = 0; i < 5; i++) await (await loadLanguageModel(folderOf('llama-tiny'))).close();
    expect(workers.length - before).to.equal(5);
  });
});
