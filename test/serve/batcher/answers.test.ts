import { expect } from 'chai';
import { Batcher, type BatcherOptions } from '../../../lib/serve';
import { expectRejection } from '../../support/expect-error';
import { FakeClock, settle } from './fake-clock';
import { FakeModel, picture } from './fake-model';

/** A model whose answers end one by one, when a test lets them, and that notes in which order they began. */
class WritingModel extends FakeModel {
  private readonly writing: (() => void)[] = [];

  constructor() {
    super(false);
    const { answered, writing } = this;
    this.stages.answer = async function* (_tokens, question) {
      answered.push(question);
      yield 'a';
      await new Promise<void>((resolve) => writing.push(resolve));
      return { finish: 'stop' as const, promptTokens: 1, answerTokens: 1 };
    };
  }

  /** Lets the oldest answer come to its end. */
  async finishOne(): Promise<void> {
    this.writing.shift()?.();
    await settle();
  }
}

describe('answers of a Batcher', () => {
  function open(options: BatcherOptions = {}) {
    const model = new WritingModel();
    const batcher = new Batcher(model, { maxAnswers: 1, clock: new FakeClock(), ...options });
    const ask = async (question: string, signal?: AbortSignal): Promise<string> => {
      let text = '';
      const [client] = question;
      for await (const piece of batcher.ask(picture(1), question, { client, signal })) text += piece;
      return text;
    };
    return { model, batcher, ask };
  }

  it('wait in turns of their clients for the language model, and are counted', async () => {
    const { model, batcher, ask } = open({ maxAnswers: 2 });
    const all = ['a1', 'a2', 'a3', 'a4'].map((question) => ask(question));
    await settle();
    all.push(ask('b1'), ask('c1'));
    await settle();
    expect(model.answered).to.deep.equal(['a1', 'a2']);
    expect(batcher.state).to.include({ pending: 6, queued: 4, answersWaiting: 4, answersRunning: 2 });
    for (let i = 0; i < 6; i += 1) await model.finishOne();
    await Promise.all(all);
    expect(model.answered).to.deep.equal(['a1', 'a2', 'a3', 'b1', 'c1', 'a4']);
    expect(batcher.state).to.include({ pending: 0, queued: 0, answersWaiting: 0, answersRunning: 0 });
  });

  it('are as many at a time as the language model writes together, or 4, unless told', async () => {
    for (const [answersTogether, running] of [
      [16, 16],
      [undefined, 4],
    ] as const) {
      const model = new WritingModel();
      Object.assign(model.info, { language: { answersTogether } });
      const batcher = new Batcher(model, { clock: new FakeClock() });
      const all = Array.from({ length: 20 }, async (_, i) => {
        for await (const _piece of batcher.ask(picture(1), `question ${i}`, { client: `${i}` })) void _piece;
      });
      await settle();
      expect(batcher.state).to.include({ answersRunning: running, answersWaiting: 20 - running });
      for (let i = 0; i < 20; i += 1) await model.finishOne();
      await Promise.all(all);
    }
  });

  it('count in what a replica has to do', async () => {
    const models = [new WritingModel(), new WritingModel()];
    const batcher = new Batcher(models, { maxAnswers: 1, maxBatch: 1, clock: new FakeClock() });
    const ask = async (number: number): Promise<void> => {
      for await (const _piece of batcher.ask(picture(number), `question ${number}`)) void _piece;
    };
    const all: Promise<void>[] = [];
    // Each is encoded when the next comes, so that nothing but the answers is left to do.
    for (const number of [1, 2, 3, 4]) {
      all.push(ask(number));
      await settle();
    }
    // Where the picture is known, until that is too much.
    for (let i = 0; i < 3; i += 1) {
      all.push(ask(1));
      await settle();
    }
    expect(models.map(({ looked }) => looked.flat())).to.deep.equal([
      [1, 3],
      [2, 4, 1],
    ]);
    for (let i = 0; i < 4; i += 1) for (const model of models) await model.finishOne();
    await Promise.all(all);
  });

  it('that are aborted while they wait are never begun, and free their places at once', async () => {
    const { model, batcher, ask } = open();
    const written = ask('a1');
    await settle();
    const controller = new AbortController();
    const left = expectRejection(ask('b1', controller.signal), 'ERR_ABORTED', /received enough/);
    const next = ask('c1');
    await settle();
    controller.abort(new Error('enough'));
    await left;
    expect(batcher.state).to.include({ pending: 2, answersWaiting: 1 });
    await model.finishOne();
    await model.finishOne();
    await Promise.all([written, next]);
    expect(model.answered).to.deep.equal(['a1', 'c1']);
  });

  it('make room in a full queue for a client that has few waiting', async () => {
    const { model, batcher, ask } = open({ maxPending: 4 });
    const greedy = ['a1', 'a2', 'a3', 'a4'].map((question) => ask(question));
    const newest = expectRejection(greedy[3]!, 'ERR_BUSY', /at most 4 requests at once/);
    await settle();
    const modest = ask('b1');
    await newest;
    await expectRejection(ask('a5'), 'ERR_BUSY');
    await settle();
    expect(batcher.state).to.include({ pending: 4, answersWaiting: 3, answersRunning: 1 });
    for (let i = 0; i < 4; i += 1) await model.finishOne();
    expect(await modest).to.equal('a');
    await Promise.all(greedy.slice(0, 3));
    expect(model.answered).to.deep.equal(['a1', 'a2', 'b1', 'a3']);
  });

  it('make room before works of a client that has fewer of those', async () => {
    const { model, batcher, ask } = open({ maxPending: 9, maxBatch: 1 });
    const answers = ['a1', 'a2', 'a3', 'a4', 'a5'].map((question) => ask(question));
    const newest = expectRejection(answers.at(-1)!, 'ERR_BUSY');
    await settle();
    model.held = true;
    // Two begin, two wait.
    const works = [1, 2, 3, 4].map((number) => batcher.encode(picture(number), null, { client: 'b' }));
    await settle();
    expect(batcher.state).to.include({ pending: 9, queued: 6, answersWaiting: 4 });
    works.push(batcher.encode(picture(5), null, { client: 'c' }));
    await newest;
    model.held = false;
    for (let i = 0; i < 2; i += 1) model.release();
    await Promise.all(works);
    for (let i = 0; i < 4; i += 1) await model.finishOne();
    await Promise.all(answers.slice(0, -1));
  });

  it('take the stop sequences to the language model, where they end the computing', async () => {
    const model = new FakeModel(false);
    const batcher = new Batcher(model);
    const write = model.stages.answer;
    let stop: readonly string[] | undefined;
    model.stages.answer = (tokens, question, options) => {
      stop = options?.stop;
      return write(tokens, question, options);
    };
    await batcher.ask(picture(1), 'what?', { stop: ['\n'] }).next();
    expect(stop).to.deep.equal(['\n']);
    await expectRejection(batcher.ask(picture(1), 'what?', { stop: [''] }).next(), 'ERR_ARGUMENT', /option stop/);
  });
});
