import { expect } from 'chai';
import { QAViTError } from '../../../lib';
import { Batcher, type BatcherOptions } from '../../../lib/serve';
import { expectRejection } from '../../support/expect-error';
import { FakeClock, settle } from './fake-clock';
import { type FakeLooked, FakeModel, picture } from './fake-model';

describe('Batcher and failures', () => {
  function open(options: BatcherOptions = {}, models = [new FakeModel(false)]) {
    const clock = new FakeClock();
    return {
      models,
      model: models[0]!,
      clock,
      batcher: new Batcher(models, { maxBatch: 8, delayMs: 1, clock, ...options }),
    };
  }

  const numbersOf = (items: readonly { image: unknown }[]) => items.map(({ image }) => (image as FakeLooked).number);

  it('lets only that pair fail which fails alone', async () => {
    const { model, clock, batcher } = open();
    model.failWith = (items) => (numbersOf(items).includes(3) ? new Error('three') : undefined);
    const all = [1, 2, 3, 4, 5].map((number) => batcher.encode(picture(number), null));
    const settled = Promise.allSettled(all);
    await settle();
    await clock.advance(1);
    const results = await settled;
    expect(results.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
    ]);
    expect((results[2] as PromiseRejectedResult).reason).to.have.property('message', 'three');
    expect(batcher.state.pending).to.equal(0);
  });

  it('does with less memory: in halves, and without what is only cached', async () => {
    const { model, clock, batcher } = open();
    const before = batcher.encode(picture(9), null);
    await settle();
    await clock.advance(1);
    await before;
    const [cached] = model.pictures;
    model.failWith = (items) => (items.length > 2 ? new QAViTError('ERR_OUT_OF_MEMORY', 'full') : undefined);
    const all = [1, 2, 3, 4, 5].map((number) => batcher.encode(picture(number), null));
    await settle();
    await clock.advance(1);
    const replies = await Promise.all(all);
    expect(replies.map(({ tokens }) => tokens.data[0])).to.deep.equal([1, 2, 3, 4, 5]);
    expect(cached!.disposed).to.equal(true);
    model.failWith = () => new QAViTError('ERR_OUT_OF_MEMORY', 'full');
    const hopeless = expectRejection(batcher.encode(picture(7), null), 'ERR_OUT_OF_MEMORY', 'full');
    await settle();
    await clock.advance(1);
    await hopeless;
    expect(batcher.state.pending).to.equal(0);
  });

  it('moves work from a device that failed to another, and lets that device rest', async () => {
    const models = [new FakeModel(false), new FakeModel(false)];
    const { clock, batcher } = open({ maxBatch: 1, delayMs: 0 }, models);
    models[0]!.failWith = () => new QAViTError('ERR_DEVICE', 'gone');
    const all = [1, 2, 3].map((number) => batcher.encode(picture(number), null));
    expect((await Promise.all(all)).map(({ tokens }) => tokens.data[0])).to.deep.equal([1, 2, 3]);
    const before = models[0]!.batches.length;
    for (const number of [4, 5, 6]) await batcher.encode(picture(number), null);
    expect(models[0]!.batches).to.have.length(before);
    await clock.advance(1000);
    models[0]!.failWith = undefined;
    await Promise.all([7, 8].map((number) => batcher.encode(picture(number), null)));
    expect(models[0]!.batches.length).to.be.greaterThan(before);
  });

  it('moves work from a device that fails to hear the question, which else would look idle and draw all of it', async () => {
    const models = [new FakeModel(false), new FakeModel(false)];
    const { clock, batcher } = open({ delayMs: 0 }, models);
    let failures = 0;
    const { listen } = models[0]!.stages;
    models[0]!.stages.listen = () => {
      failures += 1;
      return Promise.reject(new QAViTError('ERR_DEVICE', 'gone'));
    };
    for (const number of [1, 2, 3]) {
      const { tokens } = await batcher.encode(picture(number), `question ${number}`);
      expect(tokens.data[0]).to.equal(number);
    }
    expect(failures).to.equal(1);
    await clock.advance(1000);
    models[0]!.stages.listen = listen;
    await batcher.encode(picture(4), 'question 4');
    expect(models.map(({ heard }) => heard.length)).to.deep.equal([1, 3]);
    for (const model of models) model.stages.listen = () => Promise.reject(new QAViTError('ERR_DEVICE', 'gone'));
    await expectRejection(batcher.encode(picture(5), 'question 5'), 'ERR_DEVICE', 'gone');
    expect(batcher.state).to.include({ pending: 0, queued: 0 });
  });

  it('fails with the only device, at once', async () => {
    const { model, clock, batcher } = open();
    model.failWith = () => new QAViTError('ERR_DEVICE', 'gone');
    const all = [1, 2, 3].map((number) => expectRejection(batcher.encode(picture(number), null), 'ERR_DEVICE', 'gone'));
    await settle();
    await clock.advance(1);
    await Promise.all(all);
    expect(model.batches).to.have.length(1);
  });

  it('lets go of a picture that it knows whatever becomes of the question', async () => {
    const { model, batcher } = open({ delayMs: 0 });
    const { listen } = model.stages;
    model.stages.listen = (question, options) =>
      question === 'bad' ? Promise.reject(new QAViTError('ERR_ARGUMENT', 'no words')) : listen(question, options);
    for (const question of ['good', 'bad', 'also good']) {
      const asked = batcher.encode(picture(1), question);
      if (question === 'bad') await expectRejection(asked, 'ERR_ARGUMENT', 'no words');
      else expect((await asked).cached.image).to.equal(question !== 'good');
    }
    await batcher.close();
    expect(model.pictures.map(({ disposed }) => disposed)).to.deep.equal([true]);
  });

  it('refuses a bad picture or question without touching its neighbours', async () => {
    const { model, clock, batcher } = open();
    const { prepare, listen } = model.stages;
    model.stages.prepare = (image, options) =>
      (image as Uint8Array)[0] === 66
        ? Promise.reject(new QAViTError('ERR_FORMAT', 'bad picture'))
        : prepare(image, options);
    model.stages.listen = (question, options) =>
      question === 'bad' ? Promise.reject(new QAViTError('ERR_ARGUMENT', 'bad question')) : listen(question, options);
    const good = batcher.encode(picture(1), 'good');
    const refused = [
      expectRejection(batcher.encode(picture(66), 'good'), 'ERR_FORMAT', 'bad picture'),
      expectRejection(batcher.encode(picture(1), 'bad'), 'ERR_ARGUMENT', 'bad question'),
    ];
    await settle();
    await clock.advance(1);
    await Promise.all([good, ...refused]);
    expect(model.batches).to.deep.equal([['1:4']]);
  });

  it('tries anew what has failed for somebody else', async () => {
    const { model, batcher } = open({ delayMs: 0 });
    model.failWith = () => new QAViTError('ERR_DEVICE', 'once');
    await expectRejection(batcher.encode(picture(1), null), 'ERR_DEVICE', 'once');
    model.failWith = undefined;
    expect((await batcher.encode(picture(1), null)).tokens.data[0]).to.equal(1);
  });

  it('shares load between replicas and goes where a picture is known', async () => {
    const models = [new FakeModel(), new FakeModel()];
    const { batcher } = open({ maxBatch: 2, delayMs: 0 }, models);
    const all = [1, 2, 3, 4].map((number) => batcher.encode(picture(number), null));
    await settle();
    expect(models.map(({ prepared }) => prepared.length)).to.deep.equal([2, 2]);
    for (const model of models) {
      model.held = false;
      for (let i = 0; i < 2; i += 1) model.release();
    }
    await Promise.all(all);
    const known = models[1]!.prepared[0]!;
    expect((await batcher.encode(picture(known), 'again')).cached.image).to.equal(true);
    expect(models[1]!.batches.flat()).to.include(`${known}:5`);
  });
});
