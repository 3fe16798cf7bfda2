/** Answers of a T5 that are written together: each gets what it gets alone. */
import { expect } from 'chai';
import path from 'node:path';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import { JsonFields } from '../../lib/json-fields';
import { readT5Config } from '../../lib/llm/t5/config';
import { T5Answer, T5Answers } from '../../lib/llm/t5/t5-answer';
import { type PromptRead, T5Engine } from '../../lib/llm/t5/t5-engine';
import { openT5 } from '../../lib/llm/t5/t5-model';
import { type PlanRunner, TensorFolder } from '../../lib/weights';
import { expectRejection } from '../support/expect-error';
import { folderOf, someTokens } from './support';

const nothing = (): void => undefined;
const never = (): AbortSignal => new AbortController().signal;

describe('answers of a T5', () => {
  let device: Device;
  let engine: T5Engine;
  let answers: T5Answers;
  /** Steps by how many slots they computed. */
  let steps: number[];

  before(async () => {
    device = new (loadAddon().Device)({ kind: 'cpu', threads: 2 });
    engine = await openEngine();
    const step = engine.step.bind(engine);
    engine.step = (counts, memory, signal) => (steps.push(counts.tokens.length), step(counts, memory, signal));
  });

  async function openEngine(pieceWork?: number): Promise<T5Engine> {
    const dir = folderOf('t5-gated');
    const weights = await TensorFolder.open(dir);
    const config = readT5Config(await JsonFields.read(path.join(dir, 'config.json')));
    const opened = new T5Engine(device, openT5(config, weights), 'f32', pieceWork);
    await opened.prepare();
    weights.close();
    return opened;
  }

  beforeEach(() => {
    answers = new T5Answers(engine);
    steps = [];
  });
  after(() => device.close());

  /** The prompt of one of many questions; every third is longer, and needs tensors of another shape. */
  const read = (question: number) => {
    const after = Array.from({ length: question % 3 === 2 ? 12 : 3 }, (_, i) => 1 + ((question + i) % 50));
    return engine.read({ before: [], visual: someTokens(9 + (question % 3)).data, after }, never());
  };
  const begin = async (question: number) => new T5Answer(answers, await read(question));
  const tokenOf = (question: number, said: number): number => (7 * question + 3 * said) % 50;

  /** What follows each of `count` tokens. */
  async function write(answer: T5Answer, question: number, count: number, from = 0): Promise<Float32Array[]> {
    const logits: Float32Array[] = [];
    for (let said = from; said < from + count; said += 1) {
      logits.push((await answer.next(tokenOf(question, said), never())).slice());
    }
    return logits;
  }

  async function writeAlone(question: number, count: number): Promise<Float32Array[]> {
    const alone = new T5Answer(new T5Answers(engine), await read(question));
    const logits = await write(alone, question, count);
    alone.dispose();
    return logits;
  }

  it('are the same bits beside others, whenever those begin and end', async () => {
    // More than one batch holds, of three shapes, beginning one after another, some past the first size of a cache.
    const lengths = Array.from({ length: 40 }, (_, question) => 1 + ((question * 17) % 41));
    const together = await Promise.all(
      lengths.map(async (count, question) => {
        for (let turn = 0; turn < question % 7; turn += 1) await new Promise(setImmediate);
        const answer = await begin(question);
        const logits = await write(answer, question, count);
        answer.dispose();
        return logits;
      }),
    );
    expect(Math.max(...steps)).to.equal(16);
    for (const [question, count] of lengths.entries()) {
      expect(together[question], `question ${question}`).to.deep.equal(await writeAlone(question, count));
    }
    expect(device.memory.tensorBytes).to.equal(0);
  });

  it('share steps: four take little more than one', async () => {
    const all = await Promise.all([0, 3, 6, 9].map(begin));
    steps = [];
    await Promise.all(all.map((answer, i) => write(answer, 3 * i, 20)));
    // The first is on its own, since it asks before the others.
    expect(steps.length).to.be.at.most(23);
    for (const answer of all) answer.dispose();
  });

  it('give up places that are empty', async () => {
    const all = await Promise.all(Array.from({ length: 9 }, (_, i) => begin(3 * i)));
    await Promise.all(all.map((answer, i) => write(answer, 3 * i, 3)));
    expect(steps.at(-1)).to.equal(16);
    for (const answer of all.slice(0, -1)) answer.dispose();
    const [last] = all.slice(-1);
    steps = [];
    expect(await write(last!, 24, 4, 3)).to.deep.equal((await writeAlone(24, 7)).slice(3));
    expect(steps.slice(0, 4)).to.deep.equal([8, 4, 2, 2]);
    last!.dispose();
    expect(device.memory.tensorBytes).to.equal(0);
  });

  it('do not wait for one that has stopped asking, which goes on where it was', async () => {
    const [slow, quick] = [await begin(0), await begin(3)];
    const [[first], before] = await Promise.all([write(slow, 0, 1), write(quick, 3, 1)]);
    const rest = await write(quick, 3, 40, 1);
    const second = await write(slow, 0, 2, 1);
    expect([first, ...second]).to.deep.equal(await writeAlone(0, 3));
    expect([...before, ...rest]).to.deep.equal(await writeAlone(3, 41));
    for (const answer of [slow, quick]) answer.dispose();
  });

  it('fail alone where one is aborted, or its prompt finds no room', async () => {
    const [one, other, third] = [await begin(0), await begin(3), await begin(6)];
    await Promise.all([write(one, 0, 1), write(other, 3, 1)]);
    const admit = engine.admit.bind(engine);
    engine.admit = () => Promise.reject(new Error('no room'));
    const [aborted, going, refused] = await Promise.allSettled([
      one.next(1, AbortSignal.abort()),
      write(other, 3, 5, 1),
      third.next(1, never()),
    ]);
    engine.admit = admit;
    await expectRejection(Promise.reject((aborted as PromiseRejectedResult).reason as Error), 'ERR_ABORTED');
    expect(refused).to.have.nested.property('reason.message', 'no room');
    expect(going).to.deep.include({ status: 'fulfilled', value: (await writeAlone(3, 6)).slice(1) });
    for (const answer of [one, other, third]) answer.dispose();
    expect(device.memory.tensorBytes).to.equal(0);
  });

  it('do not end with the one whose signal fires while they share a step', async () => {
    const [one, other] = [await begin(0), await begin(3)];
    await Promise.all([write(one, 0, 1), write(other, 3, 1)]);
    const abort = new AbortController();
    const step = engine.step.bind(engine);
    engine.step = (counts, memory, signal) => (abort.abort(), step(counts, memory, signal));
    const [, going] = await Promise.all([one.next(tokenOf(0, 1), abort.signal), write(other, 3, 1, 1)]);
    engine.step = step;
    expect(going).to.deep.equal((await writeAlone(3, 2)).slice(1));
    for (const answer of [one, other]) answer.dispose();
  });

  it('are 16 to a batch at most', async () => {
    const all = await Promise.all(Array.from({ length: 17 }, (_, i) => begin(3 * i)));
    const logits = await Promise.all(all.map((answer, i) => write(answer, 3 * i, 2)));
    expect(Math.max(...steps)).to.equal(16);
    expect(logits[16]).to.deep.equal(await writeAlone(48, 2));
    for (const answer of all) answer.dispose();
    expect(device.memory.tensorBytes).to.equal(0);
  });

  it('keep their memory, and nothing else, where there is no room to regroup', async () => {
    const all = [await begin(0), await begin(3), await begin(6)];
    await Promise.all(all.slice(0, 2).map((answer, i) => write(answer, 3 * i, 1)));
    const { tensorBytes } = device.memory;
    const regroup = engine.regroup.bind(engine);
    let times = 0;
    engine.regroup = (...of) => (++times === 1 ? regroup(...of) : Promise.reject(new Error('no room')));
    const refused = await all[2]!.next(1, never()).catch((error: Error) => error.message);
    engine.regroup = regroup;
    expect([refused, times, device.memory.tensorBytes]).to.deep.equal(['no room', 2, tensorBytes]);
    expect(await write(all[0]!, 0, 1, 1)).to.deep.equal((await writeAlone(0, 2)).slice(1));
    for (const answer of all) answer.dispose();
    expect(device.memory.tensorBytes).to.equal(0);
  });

  it('may leave while another one comes, the last of all, too', async () => {
    for (const before of [1, 2]) {
      const others = await Promise.all(Array.from({ length: before }, (_, i) => begin(3 * i)));
      await Promise.all(others.map((answer, i) => write(answer, 3 * i, 1)));
      const newcomer = await begin(9);
      const admit = engine.admit.bind(engine);
      engine.admit = (...args) => {
        for (const answer of others) answer.dispose();
        return admit(...args);
      };
      const written = await write(newcomer, 9, 3);
      engine.admit = admit;
      expect(written).to.deep.equal(await writeAlone(9, 3));
      newcomer.dispose();
      expect(device.memory.tensorBytes).to.equal(0);
    }
  });

  it('all fail with a step that fails, and may go on', async () => {
    const [one, other] = [await begin(0), await begin(3)];
    const step = engine.step.bind(engine);
    engine.step = () => Promise.reject(new Error('a fault'));
    const failed = await Promise.allSettled([one.next(tokenOf(0, 0), never()), other.next(tokenOf(3, 0), never())]);
    engine.step = step;
    expect(failed.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
    expect(await Promise.all([write(one, 0, 2), write(other, 3, 2)])).to.deep.equal([
      await writeAlone(0, 2),
      await writeAlone(3, 2),
    ]);
    for (const answer of [one, other]) answer.dispose();
  });

  describe('while prompts are read in pieces', () => {
    let pieces: T5Engine;

    before(async () => {
      // Every layer is a piece.
      pieces = await openEngine(1);
    });

    const readOf = (of: T5Engine, question: number, signal = never()) =>
      of.read({ before: [3, 4], visual: someTokens(9 + question).data, after: [1, 2, 1] }, signal);

    /** Does `work`, and `before` ahead of each plan that it runs. */
    async function watching(before: (inputs: readonly unknown[]) => void, work: () => Promise<void>): Promise<void> {
      const { plans } = pieces as unknown as { plans: PlanRunner };
      const run = plans.run.bind(plans);
      plans.run = (plan, inputs, signal, keep) => (before(inputs), run(plan, inputs, signal, keep));
      try {
        await work();
      } finally {
        plans.run = run;
      }
    }

    it('hear the same bits', async () => {
      const [whole, parted] = [await readOf(engine, 0), await readOf(pieces, 0)];
      const contents = ({ cross }: PromptRead) => Promise.all(cross.map((tensor) => device.read(tensor)));
      expect(parted.length).to.equal(whole.length);
      expect(await contents(parted)).to.deep.equal(await contents(whole));
      for (const tensor of [...whole.cross, ...parted.cross]) tensor.dispose();
      expect(device.memory.tensorBytes).to.equal(0);
    });

    it('go on between two pieces; prompts are read one after another', async () => {
      const answer = new T5Answer(new T5Answers(pieces), await readOf(pieces, 0));
      await answer.next(tokenOf(0, 0), never());
      const order: string[] = [];
      const kinds = (inputs: readonly unknown[]): void => {
        const rows = inputs.find((input) => input instanceof Float32Array)?.length;
        order.push(rows === undefined ? (inputs.length > 2 ? 'step' : 'piece') : 'prompt');
      };
      await watching(kinds, async () => {
        const reading = [1, 2].map((question) => readOf(pieces, question));
        await write(answer, 0, 6, 1);
        for (const { cross } of await Promise.all(reading)) for (const tensor of cross) tensor.dispose();
      });
      answer.dispose();
      const { encoderLayers } = pieces.model.config;
      const prompt = ['prompt', ...Array<string>(encoderLayers - 1).fill('piece')];
      expect(order.filter((kind) => kind !== 'step')).to.deep.equal([...prompt, ...prompt]);
      expect(order.lastIndexOf('step')).to.be.greaterThan(order.lastIndexOf('prompt'));
    });

    it('do not make one wait that is aborted before its turn', async () => {
      const abort = new AbortController();
      const done: string[] = [];
      const [first, second] = [readOf(pieces, 0), readOf(pieces, 1, abort.signal)];
      const told = second.then(nothing, () => void done.push('aborted'));
      const read = first.then(({ cross }) => (cross.forEach((tensor) => tensor.dispose()), done.push('read')));
      abort.abort();
      await Promise.all([told, read]);
      expect(done).to.deep.equal(['aborted', 'read']);
      await expectRejection(second, 'ERR_ABORTED');
      for (const { cross } of [await readOf(pieces, 2)]) for (const tensor of cross) tensor.dispose();
      expect(device.memory.tensorBytes).to.equal(0);
    });

    it('free what was read for one that was aborted meanwhile', async () => {
      const abort = new AbortController();
      const { encoderLayers } = pieces.model.config;
      let ran = 0;
      const { plans } = pieces as unknown as { plans: PlanRunner };
      const run = plans.run.bind(plans);
      // The last piece is computed to its end, whoever has gone by then.
      plans.run = async (plan, inputs, signal, keep) => {
        if ((ran += 1) < encoderLayers) return run(plan, inputs, signal, keep);
        const outputs = await run(plan, inputs, never(), keep);
        abort.abort();
        return outputs;
      };
      try {
        await expectRejection(readOf(pieces, 0, abort.signal), 'ERR_ABORTED');
      } finally {
        plans.run = run;
      }
      for (const { cross } of [await readOf(pieces, 1)]) for (const tensor of cross) tensor.dispose();
      expect(device.memory.tensorBytes).to.equal(0);
    });

    it('find their memory free when one is aborted, and the next prompt its turn', async () => {
      const abort = new AbortController();
      let ran = 0;
      const abortLater = (): void => void ((ran += 1) === 2 && abort.abort());
      await watching(abortLater, async () => {
        const [first, second] = [readOf(pieces, 0, abort.signal), readOf(pieces, 1)];
        await expectRejection(first, 'ERR_ABORTED');
        for (const tensor of (await second).cross) tensor.dispose();
      });
      expect(ran).to.equal(2 + pieces.model.config.encoderLayers);
      expect(device.memory.tensorBytes).to.equal(0);
    });
  });
});
