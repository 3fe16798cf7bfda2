import { getEventListeners, once } from 'node:events';
import { expect } from 'chai';
import { Batcher, type BatcherOptions } from '../../../lib/serve';
import { expectRejection } from '../../support/expect-error';
import { FakeClock, settle } from './fake-clock';
import { FakeModel, picture } from './fake-model';

describe('Batcher and AbortSignal', () => {
  function open(options: BatcherOptions = {}, model = new FakeModel()) {
    const clock = new FakeClock();
    return { model, clock, batcher: new Batcher(model, { maxBatch: 1, clock, ...options }) };
  }

  /** Fills both places on the device; two more wait. */
  async function occupy(batcher: Batcher): Promise<Promise<unknown>[]> {
    const all = [101, 102, 103, 104].map((number) => batcher.encode(picture(number), null));
    await settle();
    return all;
  }

  it('gives back the places of what is aborted while it waits for a batch', async () => {
    const { model, clock, batcher } = open({ maxBatch: 2, delayMs: 10 });
    for (let i = 1; i <= 5; i += 1) {
      const controller = new AbortController();
      const asked = batcher.encode(picture(i), 'x'.repeat(20 * i), { signal: controller.signal });
      await settle();
      controller.abort();
      await expectRejection(asked, 'ERR_ABORTED');
    }
    const last = batcher.encode(picture(6), null);
    await settle();
    await clock.advance(10);
    expect(model.batches).to.deep.equal([['6:0']]);
    model.release();
    await last;
  });

  it('never runs what is aborted before it has begun, and frees its place at once', async () => {
    const { model, batcher } = open({ maxPending: 6 });
    const busy = await occupy(batcher);
    const controller = new AbortController();
    const waiting = [1, 2].map((number) => batcher.encode(picture(number), null, { signal: controller.signal }));
    const aborted = waiting.map((one) => expectRejection(one, 'ERR_ABORTED', /received enough/));
    await settle();
    expect(batcher.state).to.include({ pending: 6, queued: 4 });
    controller.abort(new Error('enough'));
    await Promise.all(aborted);
    expect(batcher.state).to.include({ pending: 4, queued: 2 });
    // Their places can be taken.
    const next = batcher.encode(picture(3), null);
    model.held = false;
    for (let i = 0; i < 2; i += 1) model.release();
    await Promise.all([...busy, next]);
    expect(model.prepared).to.not.include.members([1]);
    expect(model.prepared).to.not.include.members([2]);
    expect(getEventListeners(controller.signal, 'abort')).to.have.length(0);
  });

  it('takes what is aborted out of a batch that has not begun', async () => {
    const { model, clock, batcher } = open({ maxBatch: 4, delayMs: 10 });
    const controller = new AbortController();
    const staying = [1, 2].map((number) => batcher.encode(picture(number), null));
    const leaving = batcher.encode(picture(3), null, { signal: controller.signal });
    await settle();
    controller.abort();
    await expectRejection(leaving, 'ERR_ABORTED');
    await clock.advance(10);
    expect(model.batches).to.deep.equal([['1:0', '2:0']]);
    model.release();
    await Promise.all(staying);
  });

  it('stops looking at pictures when nobody waits for any of the batch', async () => {
    const { model, batcher } = open({ maxBatch: 2 });
    model.heldLooking = true;
    const controller = new AbortController();
    const asked = batcher.encode(picture(1), null, { signal: controller.signal });
    await settle();
    expect(model).to.deep.include({ looked: [[1]], waiting: 1 });
    controller.abort();
    await expectRejection(asked, 'ERR_ABORTED');
    await settle();
    expect(model).to.deep.include({ waiting: 0, batches: [] });
    // The place on the device is free, and the picture is looked at anew.
    model.heldLooking = false;
    const again = batcher.encode(picture(1), null);
    await settle();
    model.release();
    await again;
    expect(model.looked).to.deep.equal([[1], [1]]);
  });

  it('stops a batch when nobody waits for any of it', async () => {
    const { model, clock, batcher } = open({ maxBatch: 2, delayMs: 10 });
    const controllers = [new AbortController(), new AbortController()];
    const all = controllers.map(({ signal }, number) => batcher.encode(picture(number), null, { signal }));
    const ends = all.map((one) => expectRejection(one, 'ERR_ABORTED'));
    await settle();
    await clock.advance(10);
    controllers[0]!.abort();
    await settle();
    expect(model.signals[0]!.aborted).to.equal(false);
    controllers[1]!.abort();
    await Promise.all(ends);
    expect(model.signals[0]!.aborted).to.equal(true);
    await settle();
    expect(model.waiting).to.equal(0);
    const next = batcher.encode(picture(9), null);
    await settle();
    await clock.advance(10);
    model.release();
    expect((await next).tokens.data[0]).to.equal(9);
  });

  it('goes on with work that others want too', async () => {
    const { model, batcher } = open();
    const busy = await occupy(batcher);
    const controller = new AbortController();
    const first = batcher.encode(picture(1), null, { signal: controller.signal, client: 'a' });
    const second = batcher.encode(picture(1), null, { client: 'b' });
    await settle();
    controller.abort();
    await expectRejection(first, 'ERR_ABORTED');
    model.held = false;
    for (let i = 0; i < 4; i += 1) model.release();
    expect((await second).tokens.data[0]).to.equal(1);
    await Promise.all(busy);
    expect(model.batches.flat().filter((pair) => pair === '1:0')).to.have.length(1);
  });

  it('keeps what it begins anew apart from what was left and still runs', async () => {
    const { model, batcher } = open();
    const encodeBatch = model.encodeBatch.bind(model);
    // Runs to its end whatever becomes of those who asked.
    model.encodeBatch = (items) => encodeBatch(items);
    const controller = new AbortController();
    const left = expectRejection(batcher.encode(picture(1), null, { signal: controller.signal }), 'ERR_ABORTED');
    await settle();
    controller.abort();
    await left;
    const all = [batcher.encode(picture(1), null)];
    await settle();
    expect(model.batches).to.have.length(2);
    model.release();
    await settle();
    all.push(batcher.encode(picture(1), null));
    await settle();
    model.release();
    expect((await Promise.all(all)).map(({ tokens }) => tokens.data[0])).to.deep.equal([1, 1]);
    expect(model.batches).to.have.length(2);
  });

  it('begins anew for who comes after everybody else has left', async () => {
    const { model, batcher } = open();
    const controller = new AbortController();
    const first = batcher.encode(picture(1), null, { signal: controller.signal });
    const left = expectRejection(first, 'ERR_ABORTED');
    await settle();
    controller.abort();
    await left;
    const second = batcher.encode(picture(1), null);
    await settle();
    expect(model.batches).to.deep.equal([['1:0'], ['1:0']]);
    model.release();
    expect((await second).tokens.data[0]).to.equal(1);
  });

  it('gives an answer’s slot to the next when its reader leaves', async () => {
    const model = new FakeModel(false);
    model.stages.answer = async function* (_tokens, question, options) {
      model.answered.push(question);
      yield 'a';
      if (question === 'long') await once(options!.signal!, 'abort').then(() => Promise.reject(new Error('aborted')));
      return undefined;
    };
    const { batcher } = open({ maxAnswers: 1 }, model);
    const controller = new AbortController();
    const long = batcher.ask(picture(1), 'long', { signal: controller.signal });
    expect((await long.next()).value).to.equal('a');
    const short = batcher.ask(picture(2), 'short');
    const piece = short.next();
    await settle();
    expect(model.answered).to.deep.equal(['long']);
    expect(batcher.state.queued).to.equal(1);
    controller.abort();
    expect((await piece).value).to.equal('a');
    expect(await short.next()).to.have.property('done', true);
    await expectRejection(long.next(), 'ERR_ABORTED');
    expect(batcher.state.pending).to.equal(0);
  });

  it('ends the model’s answer when its reader leaves amid it', async () => {
    const model = new FakeModel(false);
    let answering = 0;
    let go = (): void => undefined;
    const more = new Promise<void>((resolve) => (go = resolve));
    model.stages.answer = async function* () {
      answering += 1;
      try {
        yield 'a';
        await more;
        yield 'b';
        yield 'c';
      } finally {
        answering -= 1;
      }
    };
    const { batcher } = open({}, model);
    const pieces = batcher.ask(picture(1), 'left');
    expect((await pieces.next()).value).to.equal('a');
    const left = pieces.return(undefined as never);
    await settle();
    expect(answering).to.equal(1);
    go();
    await left;
    expect(answering).to.equal(0);
  });

  it('counts an aborted answer out although its reader asks for nothing any more', async () => {
    const { batcher } = open({ maxAnswers: 1 }, new FakeModel(false));
    const controller = new AbortController();
    const pieces = batcher.ask(picture(1), 'left', { signal: controller.signal });
    await pieces.next();
    expect(batcher.state.pending).to.equal(1);
    controller.abort();
    await settle();
    expect(batcher.state.pending).to.equal(0);
    await expectRejection(pieces.next(), 'ERR_ABORTED').catch(() => undefined);
    expect(batcher.state.pending).to.equal(0);
  });

  it('writes an answer to its end although nobody reads on', async () => {
    const model = new FakeModel(false);
    const { batcher } = open({ maxAnswers: 1 }, model);
    const slow = batcher.ask(picture(1), 'slow');
    await slow.next();
    await settle();
    let text = '';
    for await (const piece of batcher.ask(picture(2), 'fast')) text += piece;
    expect(text).to.equal('2:fast');
    let rest = '';
    for await (const piece of slow) rest += piece;
    expect(rest).to.equal(':slow');
  });
});
