import { expect } from 'chai';
import type { DeviceTensor } from '../../lib/binding/native';
import type { QuestionFeatures, QuestionReader } from '../../lib/llm/language-model';
import type { Engine } from '../../lib/qavit/engine';
import { QuestionBlocks } from '../../lib/qavit/question-blocks';
import { QuestionEncoder } from '../../lib/qavit/questions';
import { expectRejection } from '../support/expect-error';
import { features } from '../support/pictures';

const { signal } = new AbortController();

describe('blocks of questions', () => {
  let alive: Set<number>;
  let listened: number;

  /** Where a block holds two questions. */
  const engine = {
    device: { info: { kind: 'cpu' } },
    questionBytes: () => 16 * 2 ** 20,
    listen: () => {
      const number = listened++;
      alive.add(number);
      return Promise.resolve({ dispose: () => void alive.delete(number) } as unknown as DeviceTensor);
    },
  } as unknown as Engine;
  const blocks = (lengths: readonly number[], padding: 'mask' | 'attend'): QuestionBlocks =>
    new QuestionBlocks(
      engine,
      lengths.map((tokens) => features(tokens, 4)),
      padding,
    );

  beforeEach(() => ([alive, listened] = [new Set(), 0]));

  it('are heard once while there is room, and all are freed in the end', async () => {
    const questions = blocks(Array<number>(12).fill(3), 'mask');
    expect(questions.size).to.equal(2);
    for (const block of [0, 1, 2, 3, 0, 1, 2, 3]) await questions.get(block, signal);
    expect([listened, alive.size]).to.deep.equal([4, 4]);
    await questions.get(4, signal);
    expect([...alive]).to.deep.equal([1, 2, 3, 4]);
    await questions.get(0, signal);
    expect([...alive]).to.deep.equal([2, 3, 4, 5]);
    questions.dispose();
    expect(alive.size).to.equal(0);
  });

  it('attend to as many rows as the longest question of all has, masked ones to their own', () => {
    const lengths = [3, 1, 9, 2];
    const rows = (padding: 'mask' | 'attend') =>
      [0, 1].map((block) => blocks(lengths, padding).features(block).lengths);
    expect(rows('attend')).to.deep.equal([
      [9, 9],
      [9, 9],
    ]);
    expect(rows('mask')).to.deep.equal([
      [3, 1],
      [9, 2],
    ]);
    const { features: all, size } = blocks(lengths, 'attend').features(1);
    expect(size).to.deep.equal({ questions: 2, tokens: 16, width: 4 });
    expect(all.subarray(16 * 4, 18 * 4)).to.deep.equal(features(2, 4).data);
  });
});

describe('question encoder', () => {
  it('takes no features of another width or that are no numbers from what reads questions', async () => {
    const how = { features: 'encoder', normalization: 'none', maxTokens: 8 } as const;
    const encode = (found: QuestionFeatures) => {
      const reader = { encodeQuestion: () => Promise.resolve(found) } as unknown as QuestionReader;
      return new QuestionEncoder(4, how, reader).encode('what?', signal);
    };
    expect((await encode(features(2, 4)))?.shape).to.deep.equal([2, 4]);
    await expectRejection(encode(features(2, 5)), 'ERR_SHAPE', /\[K, Dq=4\] for shape of question features of the/);
    const spoilt = { data: Float32Array.of(1, 2, NaN, 4), shape: [1, 4] as [number, number] };
    await expectRejection(encode(spoilt), 'ERR_ARGUMENT', /finite numbers .* NaN at element 2/);
  });
});
