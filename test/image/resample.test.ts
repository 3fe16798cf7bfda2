import { expect } from 'chai';

import { loadAddon } from '../../lib/binding/load';
import type { ResampleRequest } from '../../lib/binding/native';
import { noiseImage, rejection } from './support';

describe('the native resampler', () => {
  const request = (more: object = {}): ResampleRequest => {
    const { data, width, height } = noiseImage(4, 3);
    return { pixels: data, width, height, toWidth: 2, toHeight: 2, filter: 'bicubic', ...more };
  };
  const refused = (code: 'ERR_ARGUMENT' | 'ERR_SHAPE', more: object) =>
    rejection(code, () => loadAddon().resample(request(more)));

  it('refuses sides that no picture has', async () => {
    for (const side of ['width', 'height', 'toWidth', 'toHeight']) {
      for (const value of [0, -1, 1.5, NaN, 2 ** 24 + 1, 2 ** 62]) {
        expect((await refused('ERR_ARGUMENT', { [side]: value })).message).to.include(side);
      }
    }
  });

  it('refuses results beyond 2 GiB', async () => {
    await refused('ERR_ARGUMENT', { toWidth: 2 ** 24, toHeight: 2 ** 24 });
    await refused('ERR_ARGUMENT', { toWidth: 2 ** 15, toHeight: 2 ** 15 });
  });

  it('refuses pixels that do not fill the picture', async () => {
    await refused('ERR_SHAPE', { pixels: new Uint8Array(35) });
    await refused('ERR_SHAPE', { pixels: new Uint8Array(37) });
    await refused('ERR_SHAPE', { pixels: new Uint8Array(0) });
  });

  it('refuses an unknown filter', async () => {
    await refused('ERR_ARGUMENT', { filter: 'cubic' });
  });

  it('leaves its input alone and does not see later changes to it', async () => {
    const pixels = new Uint8Array(noiseImage(4, 3).data);
    const wanted = await loadAddon().resample(request());
    const pending = loadAddon().resample(request({ pixels }));
    expect(pixels).to.deep.equal(new Uint8Array(noiseImage(4, 3).data));
    pixels.fill(0);
    expect(await pending).to.deep.equal(wanted);
  });

  it('gives the same result from many calls at once', async () => {
    const wanted = await loadAddon().resample(request());
    const results = await Promise.all(Array.from({ length: 40 }, () => loadAddon().resample(request())));
    for (const result of results) expect(result).to.deep.equal(wanted);
  });
});
