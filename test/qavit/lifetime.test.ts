import { expect } from 'chai';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { QAViT, type QAViTError } from '../../lib';
import { expectRejection } from '../support/expect-error';
import { features, noise } from '../support/pictures';
import { type RandomModelOptions, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const image = noise(32);
const question = features(5, 24);
/** Enough work on the reference device that something happens in the middle of it: about a second. */
const SLOW: RandomModelOptions = { width: 192, heads: 3, mlp: 768, layers: 12 };

describe('calls and lifetimes', () => {
  const at = temporaryFolder();
  const load = (options: RandomModelOptions = {}, device: 'cpu' | 'reference' = 'cpu') =>
    QAViT.load(writeRandomModel(at('model'), options), { device });

  describe('AbortSignal', () => {
    it('that has fired refuses the call', async () => {
      await using model = await load();
      const signal = AbortSignal.abort(new Error('too late'));
      const calls = [
        model.encode(image, null, { signal }),
        model.encodeBatch([], { signal }),
        model.look(image, { signal }),
        model.attend(image, question, { signal }),
      ];
      for (const call of calls) await expectRejection(call, 'ERR_ABORTED', /completion for \w+ but received too late/);
    });

    it('ends running work promptly, with its reason as cause, and frees everything', async () => {
      await using model = await load(SLOW, 'reference');
      const before = model.info.memory.tensorBytes;
      await model.encode(image, question);
      const start = performance.now();
      await model.encode(image, question);
      const whole = performance.now() - start;
      for (const part of [0.05, 0.3]) {
        const controller = new AbortController();
        const reason = new Error('enough');
        const running = model.encode(image, question, { signal: controller.signal });
        let ended = 0;
        const watched = running.catch((error: unknown) => {
          ended = performance.now();
          throw error;
        });
        await sleep(whole * part);
        const fired = performance.now();
        controller.abort(reason);
        await expectRejection(watched, 'ERR_ABORTED', /completion for encode but received enough/);
        // Waiting for the end would take most of the whole.
        expect(ended - fired).to.be.below(whole / 2);
        expect(await running.catch((error: QAViTError) => error.cause)).to.equal(reason);
        expect(model.info.memory.tensorBytes).to.equal(before);
      }
    });

    it('leaves other calls alone', async () => {
      await using model = await load(SLOW, 'reference');
      const controller = new AbortController();
      const wanted = model.encode(image, question);
      const dropped = model.encode(image, question, { signal: controller.signal });
      const after = model.encode(image, question);
      controller.abort();
      await expectRejection(dropped, 'ERR_ABORTED');
      expect((await wanted).data).to.deep.equal((await after).data);
    });

    it('is no longer listened to once a call is over', async () => {
      await using model = await load();
      const { signal } = new AbortController();
      let listeners = 0;
      const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
      signal.addEventListener = (...of: Parameters<typeof add>) => ((listeners += 1), add(...of));
      signal.removeEventListener = (...of: Parameters<typeof remove>) => ((listeners -= 1), remove(...of));
      await model.encode(image, question, { signal });
      await expectRejection(model.encode(at('nowhere.png'), null, { signal }), 'ERR_ARGUMENT');
      expect(listeners).to.equal(0);
    });
  });

  it('concurrent calls give what calls in a row give', async () => {
    await using model = await load();
    const questions = Array.from({ length: 24 }, (_, i) => (i % 5 === 0 ? null : features(1 + (i % 7), 24, i)));
    const wanted = [];
    for (const each of questions) wanted.push((await model.encode(image, each)).data);
    using seen = await model.look(image);
    const together = await Promise.all(questions.map((each, i) => model.encode(i % 2 ? seen : image, each)));
    expect(together.map(({ data }) => data)).to.deep.equal(wanted);
  });

  describe('close', () => {
    it('ends running calls with their result or ERR_ABORTED, and later ones with ERR_ARGUMENT', async () => {
      for (const delay of [0, 30, 200]) {
        const model = await load(SLOW, 'reference');
        const running = [
          model.encode(image, question),
          model.encodeBatch([{ image, question: null }]),
          model.look(image),
          model.attend(image, question),
        ].map((call) => call.then(() => 'result').catch((error: unknown) => (error as QAViTError).code));
        await sleep(delay);
        await Promise.all([model.close(), model.close()]);
        for (const end of await Promise.all(running)) expect(end).to.be.oneOf(['result', 'ERR_ABORTED']);
        const closed = /an open model for \w+ but received one that was closed/;
        await expectRejection(model.encode(image, null), 'ERR_ARGUMENT', closed);
        await expectRejection(model.encodeBatch([]), 'ERR_ARGUMENT', closed);
        await expectRejection(model.look(image), 'ERR_ARGUMENT', closed);
        await expectRejection(model.attend(image, question), 'ERR_ARGUMENT', closed);
      }
    });

    it('is what `await using` does', async () => {
      let kept: QAViT;
      {
        await using model = await load();
        kept = model;
      }
      await expectRejection(kept.encode(image, null), 'ERR_ARGUMENT', /closed/);
      await kept.close();
    });

    it('leaves results and looked-at pictures harmless', async () => {
      const model = await load();
      const seen = await model.look(image);
      const tokens = await model.encode(seen, question);
      await model.close();
      seen.dispose();
      expect(tokens.data.every(Number.isFinite)).to.equal(true);
      expect(model.info.fusedLayers).to.deep.equal([2, 3]);
    });
  });

  describe('maxPending', () => {
    it('refuses one call more with ERR_BUSY, at once, and takes calls again when one has ended', async () => {
      const folders = writeRandomModel(at('busy'), SLOW);
      await using model = await QAViT.load(folders, { device: 'reference', maxPending: 2 });
      const stopping = new AbortController();
      const running = [
        model.encode(image, null, { signal: stopping.signal }),
        model.look(image, { signal: stopping.signal }),
      ];
      const settled = Promise.allSettled(running);
      for (const call of [model.encode(image, question), model.attend(image, question), model.encodeBatch([])])
        await expectRejection(call, 'ERR_BUSY', /at most 2 calls at once for \w+ but received one more/);
      stopping.abort();
      await settled;
      expect(await model.encodeBatch([])).to.deep.equal([]);
    });

    it('is a whole number of calls', async () => {
      const folders = writeRandomModel(at('model'));
      for (const maxPending of [0, 1.5, -1, '2' as unknown as number])
        await expectRejection(QAViT.load(folders, { maxPending }), 'ERR_ARGUMENT', /maxPending/);
    });
  });

  it('a loop of loading, running and closing keeps no memory', async function () {
    this.timeout(120_000);
    // 5 MB of weights a model: forgetting them would show.
    const size: RandomModelOptions = { width: 128, heads: 2, mlp: 512, layers: 6 };
    const folders = writeRandomModel(at('loop'), size);
    const once = async (): Promise<void> => {
      const model = await QAViT.load(folders, { device: 'cpu', dtype: 'f32' });
      await model.encode(image, question);
      const seen = await model.look(image);
      await model.encode(seen, null);
      await model.close();
    };
    const settle = async (): Promise<number> => {
      for (let i = 0; i < 3; i += 1) {
        global.gc?.();
        await turn();
      }
      return process.memoryUsage.rss();
    };
    for (let i = 0; i < 15; i += 1) await once();
    const before = await settle();
    for (let i = 0; i < 30; i += 1) await once();
    expect((await settle()) - before).to.be.below(40e6);
  });
});
