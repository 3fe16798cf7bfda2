/** Questions of any length run in the plans of a few: what is padded changes no result, and no length gets a graph of its own. */
import { expect } from 'chai';
import type { QuestionFeatures } from '../../lib';
import type { Device } from '../../lib/binding/native';
import { relativeError } from '../support/compare';
import { openCuda } from '../support/cuda';
import { encodeBatch, encodeUnpadded, openEngine, type OpenEngine } from '../support/cuda-engine';
import { features, noise } from '../support/pictures';
import { SMALL, writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const { data: pixels } = noise(SMALL.image);
const question = (tokens: number): QuestionFeatures => features(tokens, SMALL.questionWidth);

/** `tokens` rows followed by zeros. */
function withZeros({ data, shape: [tokens, width] }: QuestionFeatures, rows: number): QuestionFeatures {
  const padded = new Float32Array(rows * width);
  padded.set(data.subarray(0, tokens * width));
  return { data: padded, shape: [rows, width] };
}

describe('CUDA: question lengths', () => {
  const at = temporaryFolder();
  let device: Device;
  let opened: OpenEngine;
  beforeEach(async () => {
    device = openCuda();
    opened = await openEngine(writeRandomModel(at('model')), device, 'f32');
  });
  afterEach(() => {
    opened[Symbol.dispose]();
    return device.close();
  });

  it('padded to the length of a plan give what they give unpadded', async () => {
    const { engine } = opened;
    for (const tokens of [1, 7, 15, 16, 17, 31, 33, 65]) {
      const padded = await encodeBatch(engine, pixels, [question(tokens)]);
      const exact = await encodeUnpadded(engine, pixels, question(tokens));
      // The same products; the sums over keys in another order where a tile begins elsewhere.
      expect(relativeError(padded, exact), `K = ${tokens}`).to.be.below(1e-6);
    }
  });

  it('padded to the longest of their batch attend to the padding where that is asked for, and only to that', async () => {
    const { engine } = opened;
    const [short, long] = [question(3), question(18)];
    const two = new Uint8Array([...pixels, ...pixels]);
    const attended = await encodeBatch(engine, two, [short, long], 'attend');
    const first = attended.subarray(0, attended.length / 2);
    const wanted = await encodeUnpadded(engine, pixels, withZeros(short, 18));
    expect(relativeError(first, wanted)).to.be.below(1e-6);
    const masked = (await encodeBatch(engine, two, [short, long])).subarray(0, first.length);
    expect(relativeError(masked, await encodeUnpadded(engine, pixels, short))).to.be.below(1e-6);
    expect(relativeError(masked, first)).to.be.above(1e-3);
  });

  it('from 17 to 32 share their plans and graphs', async () => {
    const { engine } = opened;
    for (let run = 0; run < 6; run += 1) await encodeBatch(engine, pixels, [question(32)]);
    const before = device.statistics!;
    for (let tokens = 17; tokens <= 31; tokens += 1) {
      for (let run = 0; run < 2; run += 1) await encodeBatch(engine, pixels, [question(tokens)]);
    }
    const after = device.statistics!;
    const runs = after.launched + after.replayed - before.launched - before.replayed;
    expect(runs).to.equal(15 * 2 * 3);
    // Tensors between the plans may come to lie elsewhere a few times. A plan a length would launch and record 30 times more.
    expect(after.launched - before.launched).to.be.at.most(8);
    expect(after.recorded - before.recorded).to.be.at.most(8);
  });
});
