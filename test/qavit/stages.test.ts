import { expect } from 'chai';
import { QAViT, QAViTError } from '../../lib';
import type { LoadedModel } from '../../lib/qavit/load';
import { expectRejection } from '../support/expect-error';
import { features, noise } from '../support/pictures';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

describe('stages', () => {
  const at = temporaryFolder();
  let model: QAViT;
  before(async () => {
    model = await QAViT.load(writeRandomModel(at('model')), { device: 'cpu' });
  });
  after(() => model.close());

  const images = [1, 2, 3, 4, 5].map((seed) => noise(40, seed));
  const prepared = () => Promise.all(images.map((image) => model.stages.prepare(image)));

  it('one by one give what encode gives, bit for bit', async () => {
    const looked = await model.stages.look(await prepared());
    const question = features(5, 24);
    const together = await model.encodeBatch(looked.map((image) => ({ image, question })));
    const alone = await Promise.all(images.map((image) => model.encode(image, question)));
    expect(together.map(({ key }) => key)).to.deep.equal(alone.map(({ key }) => key));
    together.forEach(({ data }, i) => expect(data).to.deep.equal(alone[i]!.data));
    for (const one of looked) one.dispose();
    expect(model.info.memory.tensorBytes).to.equal(0);
  });

  it('mix pictures that were looked at at different times, repeated and out of order, with fresh ones', async () => {
    const [a, b, c] = await prepared();
    const [first, second] = [await model.stages.look([a!, b!]), await model.stages.look([c!])];
    using kept = await model.look(images[3]!);
    const question = features(7, 24);
    const items = [second[0]!, first[1]!, kept, images[4]!, first[0]!, first[1]!].map((image) => ({ image, question }));
    const results = await model.encodeBatch(items);
    const wanted = [2, 1, 3, 4, 0, 1].map((i) => model.encode(images[i]!, question));
    expect(results.map(({ data }) => data)).to.deep.equal((await Promise.all(wanted)).map(({ data }) => data));
    for (const one of [...first, ...second]) one.dispose();
  });

  it('look gives each picture memory of its own', async () => {
    const looked = await model.stages.look(await prepared());
    const [first] = looked;
    const { bytes } = first!;
    expect(model.info.memory.tensorBytes).to.equal(images.length * bytes);
    first!.dispose();
    expect(model.info.memory.tensorBytes).to.equal((images.length - 1) * bytes);
    for (const one of looked.slice(1)) one.dispose();
  });

  it('read what they are given before they return', async () => {
    const question = features(5, 24);
    const wanted = await Promise.all(images.map((image) => model.encode(image, question)));
    const raws = [1, 2, 3, 4, 5].map((seed) => noise(40, seed));
    const preparing = Promise.all(raws.map((raw) => model.stages.prepare(raw)));
    for (const { data } of raws) data.fill(0);
    const pictures = await preparing;
    const looking = model.stages.look(pictures);
    for (const { data } of pictures) data.fill(0);
    const looked = await looking;
    expect(await model.encodeBatch(looked.map((image) => ({ image, question })))).to.deep.equal(wanted);
    for (const one of looked) one.dispose();
  });

  it('prepare within the limits of the call, and where it names none within those of the model', async () => {
    const limits = { maxPixels: 1600, maxBytes: 100 };
    await using small = await QAViT.load(writeRandomModel(at('small')), { device: 'cpu', limits });
    const { stages } = small;
    await stages.prepare(noise(40), { limits: { maxBytes: 1 } });
    await stages.prepare(noise(41), { limits: { maxPixels: 1681 } });
    const none = { limits: { maxPixels: undefined } };
    await expectRejection(stages.prepare(noise(41), none), 'ERR_ARGUMENT', /at most 1600 pixels/);
    await expectRejection(stages.prepare(Buffer.alloc(101), none), 'ERR_ARGUMENT', /at most 100 bytes/);
    const wrong = stages.prepare(noise(40), { limits: 5 as never });
    await expectRejection(wrong, 'ERR_ARGUMENT', /an object for the options of limits of stages.prepare/);
  });

  it('look keeps nothing where a later run fails', async () => {
    const [picture] = await prepared();
    const { engine } = (model as unknown as { loaded: LoadedModel }).loaded;
    const look = engine.look.bind(engine);
    let runs = 0;
    engine.look = (...of) => (++runs === 1 ? look(...of) : Promise.reject(new QAViTError('ERR_DEVICE', 'gone')));
    try {
      const many = Array.from({ length: 300 }, () => picture!);
      await expectRejection(model.stages.look(many), 'ERR_DEVICE', /gone/);
    } finally {
      engine.look = look;
    }
    expect(model.info.memory.tensorBytes).to.equal(0);
  });

  it('refuse wrong arguments', async () => {
    const { stages } = model;
    await expectRejection(
      stages.prepare(noise(40), { limits: { maxPixels: 1599 } }),
      'ERR_ARGUMENT',
      /at most 1599 pixels/,
    );
    await expectRejection(stages.look('x' as never), 'ERR_ARGUMENT', /an array of prepared pictures/);
    await expectRejection(stages.look([5 as never]), 'ERR_ARGUMENT', /pictures\[0\]/);
    await expectRejection(stages.look([noise(40)]), 'ERR_SHAPE', /RGB of 32 x 32 pixels for pictures\[0\]/);
    await expectRejection(stages.listen(5 as never), 'ERR_ARGUMENT', /a string/);
    await expectRejection(stages.listen('words'), 'ERR_ARGUMENT', /a model that reads questions/);
    const tokens = await model.encode(noise(40), null);
    await expectRejection(
      stages.answer(tokens, 'x').next(),
      'ERR_ARGUMENT',
      /a model with a language model for stages.answer/,
    );
    await expectRejection(stages.look([], { signal: AbortSignal.abort() }), 'ERR_ABORTED');
    expect(await stages.look([])).to.deep.equal([]);
  });

  it('answer from the demo’s tokens as ask does, and say how the answer ended', async () => {
    await using demo = await QAViT.load('demo', { device: 'cpu' });
    const image = `${demo.info.folders.tower}/../samples/digits.png`;
    const question = 'what digit is on the red square?';
    const say = async (pieces: ReturnType<QAViT['ask']>) => {
      let text = '';
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return { text, end: value };
        text += value;
      }
    };
    const asked = await say(demo.ask(image, question));
    const tokens = await demo.encode(image, question);
    expect(await say(demo.stages.answer(tokens, question))).to.deep.equal(asked);
    const { promptTokens, ...rest } = asked.end!;
    expect(rest).to.deep.equal({ finish: 'stop', answerTokens: 1 });
    expect(promptTokens).to.be.greaterThan(demo.info.N);
    expect((await say(demo.ask(image, question, { maxNewTokens: 1 }))).end).to.include({
      finish: 'length',
      answerTokens: 1,
    });
    // The language model reads the question in any case; the tower only when it is meant to.
    const plain = await demo.encode(image, null);
    const unaware = await say(demo.ask(image, question, { questionAware: false }));
    expect(unaware).to.deep.equal(await say(demo.stages.answer(plain, question)));
    expect(plain.key).to.not.equal(tokens.key);
    await expectRejection(
      demo.ask(image, question, { questionAware: 1 as never }).next(),
      'ERR_ARGUMENT',
      /questionAware/,
    );
  });
});
