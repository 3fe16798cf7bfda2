import { expect } from 'chai';
import type { Device, DeviceTensor } from '../../lib/binding/native';
import type { HandedOver } from '../../lib/qavit/engine';
import { loadModel } from '../../lib/qavit/load';
import type { LoadOptions } from '../../lib';
import { relativeError } from '../support/compare';
import { type RandomModelOptions, writeRandomModel } from '../support/random-model';
import { floats, random } from '../support/random';
import { temporaryFolder } from '../support/temporary';

const signal = new AbortController().signal;

describe('a folded model against its unfolded form', () => {
  const at = temporaryFolder();
  const next = random(5);
  const [tokens, width, side] = [5, 24, 32];
  const pixels = Uint8Array.from({ length: side * side * 3 }, () => Math.floor(next() * 256));
  const features = floats(next, tokens * width);

  async function run(folds: boolean, options: RandomModelOptions, loading: LoadOptions) {
    const { engine } = await loadModel(writeRandomModel(at('model'), options), loading, folds);
    const { device } = engine;
    const stream = await engine.look(pixels, 1, signal);
    const heard = await engine.listen(features, { questions: 1, tokens, width }, signal);
    const spread = { tensor: stream, index: [0] };
    const result = {
      keyValues: await read(device, heard),
      fused: only(await engine.fuse(spread, { tensor: heard, index: [0], lengths: [tokens] }, 'projected', signal)),
      plain: only(await engine.plain(spread, 'tower', signal)),
      attend: await engine.attend(stream, heard, tokens, signal),
    };
    await device.close();
    return result;
  }

  const only = ({ tokens: [first] }: HandedOver): Float32Array => first!;

  async function read(device: Device, tensor: DeviceTensor): Promise<Float32Array> {
    return (await device.read(tensor)) as Float32Array;
  }

  for (const device of ['reference', 'cpu'] as const) {
    for (const [what, options] of [
      ['D = 16, whose scale folds', {}],
      ['D = 24, whose scale does not', { width: 48 }],
      ['an odd number of fused layers', { layers: 5 }],
    ] as const) {
      it(`agrees to f32 rounding on ${device}: ${what}`, async () => {
        const folded = await run(true, options, { device, dtype: 'f32' });
        const unfolded = await run(false, options, { device, dtype: 'f32' });
        for (const name of ['keyValues', 'fused', 'plain'] as const) {
          expect(relativeError(folded[name], unfolded[name]), name).to.be.below(2e-6);
        }
        for (const [i, wanted] of unfolded.attend.entries()) {
          expect(relativeError(folded.attend[i]!, wanted), `attend ${i}`).to.be.below(2e-6);
        }
        // The comparison means something: the question changed the result, and the folds changed some bits.
        expect(relativeError(folded.attend[0]!, folded.attend[1]!)).to.be.above(1e-3);
        expect(relativeError(folded.fused, unfolded.fused)).to.be.above(0);
      });
    }
  }
});
