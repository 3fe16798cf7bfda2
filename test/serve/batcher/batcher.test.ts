import { expect } from 'chai';
import { QAViTError } from '../../../lib';
import { Batcher, type BatcherOptions } from '../../../lib/serve';
import { expectRejection, expectThrow } from '../../support/expect-error';
import { FakeClock, settle } from './fake-clock';
import { FakeModel, picture } from './fake-model';

/** Words of so many tokens. */
const words = (tokens: number): string => 'x'.repeat(tokens);

describe('Batcher', () => {
  function open(options: BatcherOptions = {}, model = new FakeModel()) {
    const clock = new FakeClock();
    const batcher = new Batcher(model, { maxBatch: 4, clock, ...options });
    return { model, clock, batcher };
  }

  it('begins at once while the device is free, and makes a batch of what comes while it works', async () => {
    const { model, batcher } = open();
    const all = [batcher.encode(picture(1), words(3))];
    await settle();
    expect(model.batches).to.deep.equal([['1:3']]);
    for (const number of [2, 3]) all.push(batcher.encode(picture(number), words(3)));
    await settle();
    expect(model.batches).to.have.length(1);
    all.push(batcher.encode(picture(4), words(3)));
    await settle();
    model.release();
    await settle();
    expect(model.batches[1]).to.deep.equal(['2:3', '3:3', '4:3']);
    all.push(batcher.encode(picture(5), words(3)));
    await settle();
    model.release();
    await settle();
    model.release();
    const replies = await Promise.all(all);
    expect(replies.map(({ tokens }) => tokens.data[0])).to.deep.equal([1, 2, 3, 4, 5]);
  });

  it('begins a second batch beside the first where it is full, so that the device does not wait for results to be handed out', async () => {
    const { model, batcher } = open();
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((number) => batcher.encode(picture(number), words(3)));
    await settle();
    expect(model.batches.map((batch) => batch.length)).to.deep.equal([4, 4]);
    for (let i = 0; i < 3; i += 1) {
      model.release();
      await settle();
    }
    await Promise.all(all);
    expect(model.batches.flat()).to.have.length(10);
  });

  it('begins with all that becomes ready in the same turn, as the questions about a picture do once it is decoded', async () => {
    const { model, batcher } = open();
    model.held = false;
    await Promise.all([1, 2, 3].map((number) => batcher.encode(picture(1), `question ${number}`)));
    expect(model.batches.map((batch) => batch.length)).to.deep.equal([3]);
  });

  it('waits for a batch to fill, but not beyond the deadline', async () => {
    const { model, clock, batcher } = open({ delayMs: 10 });
    const all = [1, 2, 3].map((number) => batcher.encode(picture(number), words(3)));
    await settle();
    await clock.advance(9);
    expect(model.batches).to.deep.equal([]);
    await clock.advance(1);
    expect(model.batches).to.deep.equal([['1:3', '2:3', '3:3']]);
    for (const number of [4, 5, 6, 7]) all.push(batcher.encode(picture(number), words(3)));
    await settle();
    expect(model.batches[1]).to.deep.equal(['4:3', '5:3', '6:3', '7:3']);
    model.release();
    model.release();
    const replies = await Promise.all(all);
    expect(replies[0]!.timings.queued).to.equal(10);
    expect(replies[3]!.timings.queued).to.equal(0);
    expect(clock.waiting).to.equal(0);
  });

  it('puts questions together that are padded to the same length', async () => {
    const { model, clock, batcher } = open({ delayMs: 5 });
    const lengths = [3, 20, 8, 30, 9];
    const all = lengths.map((length, i) => batcher.encode(picture(i), words(length)));
    all.push(batcher.encode(picture(9), null));
    await settle();
    for (let i = 0; i < 5; i += 1) {
      await clock.advance(5);
      model.release();
    }
    await Promise.all(all);
    const buckets = [['0:3', '2:8'], ['1:20', '3:30'], ['4:9'], ['9:0']];
    expect(model.batches.sort()).to.deep.equal(buckets.sort());
  });

  it('begins with those that have waited longest', async () => {
    const { model, clock, batcher } = open();
    const all = [batcher.encode(picture(1), words(3))];
    for (const [number, length] of [
      [2, 20],
      [3, 3],
      [4, 40],
    ] as const) {
      await settle();
      await clock.advance(1);
      all.push(batcher.encode(picture(number), words(length)));
    }
    for (let i = 0; i < 4; i += 1) {
      await settle();
      model.release();
    }
    await Promise.all(all);
    expect(model.batches).to.deep.equal([['1:3'], ['2:20'], ['3:3'], ['4:40']]);
  });

  it('takes requests for equal ones that ask for as many visual tokens', async () => {
    const model = new FakeModel();
    Object.assign(model.info, { selectsTokens: true });
    const { batcher } = open({}, model);
    const all = [1, 2, 'all', undefined, 2].map((visualTokens) =>
      batcher.encode(picture(1), words(3), { visualTokens: visualTokens as number }),
    );
    await settle();
    model.release();
    await Promise.all(all);
    expect(model.batches).to.deep.equal([['1:3', '1:3', '1:3', '1:3']]);
  });

  it('computes projected tokens and the tower’s own apart', async () => {
    const { model, batcher } = open({}, new FakeModel(false));
    const outputs = ['tower', 'projected'] as const;
    await Promise.all(outputs.map((output) => batcher.encode(picture(1), words(3), { output })));
    expect(model.batches).to.deep.equal([['1:3'], ['1:3']]);
  });

  it('computes equal requests once, and gives each its own arrays', async () => {
    const { model, batcher } = open();
    const all = [1, 2, 3].map(() => batcher.encode(picture(1), words(3)));
    await settle();
    model.release();
    const replies = await Promise.all(all);
    expect(model.batches).to.deep.equal([['1:3']]);
    expect(model.looked).to.deep.equal([[1]]);
    const [first, second] = replies.map(({ tokens }) => tokens);
    [first!.data[0], first!.kept![0]] = [7, 7];
    expect([second!.data[0], second!.kept![0]]).to.deep.equal([1, 3]);
  });

  it('looks at a picture and hears a question once, across batches', async () => {
    const { model, batcher } = open({}, new FakeModel(false));
    const first = await batcher.encode(picture(1), words(3));
    expect(first.cached).to.deep.equal({ image: false, question: false });
    const second = await batcher.encode(picture(1), words(4));
    expect(second.cached).to.deep.equal({ image: true, question: false });
    const third = await batcher.encode(picture(2), words(4));
    expect(third.cached).to.deep.equal({ image: false, question: true });
    expect(model.looked).to.deep.equal([[1], [2]]);
    expect(model.heard).to.deep.equal([words(3), words(4)]);
    expect(batcher.state).to.include({ pending: 0, queued: 0, imageCacheBytes: 200 });
  });

  it('decodes and looks at a picture once that several ask about at the same time', async () => {
    const { model, batcher } = open();
    const all = [3, 4, 20].map((length) => batcher.encode(picture(1), words(length)));
    await settle();
    for (let i = 0; i < 3; i += 1) {
      model.release();
      await settle();
    }
    await Promise.all(all);
    expect(model.prepared).to.deep.equal([1]);
    expect(model.looked).to.deep.equal([[1]]);
  });

  it('refuses what is beyond maxPending with ERR_BUSY', async () => {
    const { model, batcher } = open({ maxPending: 2 });
    const all = [1, 2].map((number) => batcher.encode(picture(number), null));
    await expectRejection(batcher.encode(picture(3), null), 'ERR_BUSY', /at most 2 requests at once for Batcher/);
    expect(batcher.retryAfterSeconds).to.equal(1);
    await settle();
    model.held = false;
    model.release();
    await Promise.all(all);
    await batcher.encode(picture(3), null);
  });

  it('lets clients take turns', async () => {
    const { model, batcher } = open({ maxBatch: 1 });
    const ask = (client: string, number: number) => batcher.encode(picture(number), null, { client });
    const all = [1, 2, 3, 4, 5, 6].map((number) => ask('greedy', number));
    await settle();
    all.push(ask('modest', 10), ask('other', 20));
    for (let i = 0; i < 8; i += 1) {
      await settle();
      model.release();
    }
    await Promise.all(all);
    // What had begun goes on; of what waited, each client's first comes before anybody's second.
    expect(model.batches.map(([pair]) => pair)).to.deep.equal([
      '1:0',
      '2:0',
      '3:0',
      '10:0',
      '20:0',
      '4:0',
      '5:0',
      '6:0',
    ]);
  });

  it('makes room for a client in a full queue at the expense of the one that fills it', async () => {
    const { model, batcher } = open({ maxBatch: 1, maxPending: 6 });
    const ask = (client: string, number: number) => batcher.encode(picture(number), null, { client });
    const greedy = [1, 2, 3, 4, 5, 6].map((number) => ask('greedy', number));
    const last = expectRejection(greedy[5]!, 'ERR_BUSY');
    await settle();
    const modest = ask('modest', 10);
    await last;
    await expectRejection(ask('greedy', 7), 'ERR_BUSY');
    model.held = false;
    model.release();
    model.release();
    expect((await modest).tokens.data[0]).to.equal(10);
    await Promise.all(greedy.slice(0, 5));
  });

  it('lets nobody wait behind a greedy client for work that they share', async () => {
    const { model, batcher } = open({ maxBatch: 1 });
    const ask = (client: string, number: number) => batcher.encode(picture(number), null, { client });
    const all = [1, 2, 3, 4, 5, 6].map((number) => ask('greedy', number));
    await settle();
    all.push(ask('modest', 6), ask('modest', 7));
    await settle();
    expect(batcher.state).to.include({ pending: 8, queued: 5 });
    for (let i = 0; i < 8; i += 1) {
      await settle();
      model.release();
    }
    await Promise.all(all);
    expect(model.batches.flat()).to.deep.equal(['1:0', '2:0', '3:0', '6:0', '4:0', '7:0', '5:0']);
  });

  it('refuses the greedy client alone what others wait for too', async () => {
    const { model, batcher } = open({ maxBatch: 1, maxPending: 7 });
    const ask = (client: string, number: number) => batcher.encode(picture(number), null, { client });
    const greedy = [1, 2, 3, 4, 5, 6].map((number) => ask('greedy', number));
    const refused = expectRejection(greedy.at(-1)!, 'ERR_BUSY');
    await settle();
    const others = [ask('modest', 6)];
    await settle();
    others.push(ask('third', 7));
    await refused;
    await settle();
    expect(batcher.state).to.include({ pending: 7, queued: 5 });
    model.held = false;
    for (let i = 0; i < 2; i += 1) model.release();
    expect((await Promise.all(others)).map(({ tokens }) => tokens.data[0])).to.deep.equal([6, 7]);
    await Promise.all(greedy.slice(0, -1));
    expect(batcher.state).to.include({ pending: 0, queued: 0 });
  });

  it('makes room at the expense of who has most waiting, wherever that is', async () => {
    const models = [new FakeModel(), new FakeModel()];
    const batcher = new Batcher(models, { maxBatch: 1, maxPending: 15, clock: new FakeClock() });
    const ask = (client: string, number: number) => batcher.encode(picture(number), null, { client });
    // Two begin at each replica; then every other one waits at the second.
    const begun = [1, 2, 3, 4].map((number) => ask('first', number));
    await settle();
    const [some, most]: Promise<unknown>[][] = [[], []];
    for (let i = 0; i < 5; i += 1) {
      if (i < 3) some!.push(ask('some', 10 + i));
      else begun.push(ask('first', 10 + i));
      most!.push(ask('most', 20 + i));
    }
    await settle();
    begun.push(ask('first', 30));
    const refused = expectRejection(most!.at(-1)!, 'ERR_BUSY');
    const newcomer = ask('new', 40);
    await refused;
    for (const model of models) {
      model.held = false;
      for (let i = 0; i < 2; i += 1) model.release();
    }
    await Promise.all([...begun, ...some!, ...most!.slice(0, -1), newcomer]);
  });

  it('refuses wrong options and arguments', async () => {
    expectThrow(() => new Batcher([]), 'ERR_ARGUMENT', /at least one model/);
    expectThrow(() => new Batcher(new FakeModel(), { maxBatch: 0 }), 'ERR_ARGUMENT', /maxBatch/);
    expectThrow(() => new Batcher(new FakeModel(), { delay: 3 } as never), 'ERR_ARGUMENT', /did you mean delayMs/);
    const { batcher } = open();
    await expectRejection(batcher.encode(picture(1), null, { client: 3 } as never), 'ERR_ARGUMENT', /client/);
    await expectRejection(batcher.ask(picture(1), 5 as never).next(), 'ERR_ARGUMENT', /question/);
    await expectRejection(batcher.encode('/no/such/file', null), 'ERR_ARGUMENT', /readable file/);
    expect(batcher.state.pending).to.equal(0);
  });

  it('ends with close(): requests with ERR_ABORTED, later ones with ERR_ARGUMENT, pictures disposed of', async () => {
    const { model, batcher } = open();
    const running = batcher.encode(picture(1), null);
    const aborted = expectRejection(running, 'ERR_ABORTED');
    await settle();
    await batcher.close();
    await aborted;
    await expectRejection(batcher.encode(picture(1), null), 'ERR_ARGUMENT', /an open model/);
    await settle();
    expect(model.pictures.every(({ disposed }) => disposed)).to.equal(true);
  });

  it('refuses what is no question, no model or no limit', async () => {
    const { batcher } = open({}, new FakeModel(false));
    for (const wrong of [undefined, 5, {}, ['x'], { data: new Float32Array(2) }, { data: [1], shape: [1, 1] }]) {
      const asked = [batcher.encode(picture(1), wrong as never), batcher.attend(picture(1), wrong as never)];
      for (const reply of asked) {
        const error: unknown = await reply.catch((failure: unknown) => failure);
        expect(error, JSON.stringify(wrong)).to.be.instanceOf(QAViTError);
      }
    }
    for (const wrong of [undefined, null, {}, [], [null], 'demo'])
      expectThrow(() => new Batcher(wrong as never), 'ERR_ARGUMENT', /Batcher/);
    expectThrow(() => new Batcher(new FakeModel(), { limits: { maxPixel: 1 } as never }), 'ERR_ARGUMENT', /maxPixels/);
  });
});
