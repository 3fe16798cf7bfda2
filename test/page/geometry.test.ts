import { expect } from 'chai';
import { pageModule } from './page-module';

interface Size {
  width: number;
  height: number;
}
interface Region extends Size {
  left: number;
  top: number;
}
type CoveredRegion = (
  picture: Size,
  preprocessing: object,
  grid: { rows: number; columns: number },
  patch: number,
) => Region;

describe('the region of a picture that patches cover', () => {
  let coveredRegion: CoveredRegion;
  before(async () => {
    ({ coveredRegion } = await pageModule<{ coveredRegion: CoveredRegion }>('geometry.js'));
  });

  const grid = { rows: 16, columns: 16 };
  const square = { width: 224, height: 224 };

  function expectRegion(region: Region, wanted: Region): void {
    for (const key of ['left', 'top', 'width', 'height'] as const) {
      expect(region[key], key).to.be.closeTo(wanted[key], 1e-12);
    }
  }

  it('is the middle where the shorter edge is resized and the rest cropped', () => {
    const clip = { ...square, resize: { kind: 'shortest-edge', shortest: 224 }, crop: square };
    const wide = coveredRegion({ width: 800, height: 400 }, clip, grid, 14);
    expectRegion(wide, { left: 0.25, top: 0, width: 0.5, height: 1 });
    const tall = coveredRegion({ width: 300, height: 900 }, clip, grid, 14);
    expectRegion(tall, { left: 0, top: 1 / 3, width: 1, height: 1 / 3 });
  });

  it('is the middle in a rectangle, too, where whichever edge falls short of it is resized', () => {
    const size = { width: 448, height: 224 };
    const clip = { ...size, resize: { kind: 'cover', ...size }, crop: size };
    const half = { rows: 16, columns: 32 };
    const tall = coveredRegion({ width: 400, height: 400 }, clip, half, 14);
    expectRegion(tall, { left: 0, top: 0.25, width: 1, height: 0.5 });
    const wide = coveredRegion({ width: 900, height: 300 }, clip, half, 14);
    expectRegion(wide, { left: 1 / 6, top: 0, width: 2 / 3, height: 1 });
  });

  it('is all of a picture in its own shape', () => {
    const naflex = { kind: 'most-patches', patch: 16, patches: 256 };
    const qwen = { kind: 'nearest-patches', patch: 28, least: 3136, most: 65536 };
    for (const resize of [naflex, qwen]) {
      const grid = { rows: 12, columns: 21 };
      const all = coveredRegion({ width: 1920, height: 1080 }, { ...square, resize, crop: null }, grid, 16);
      expectRegion(all, { left: 0, top: 0, width: 1, height: 1 });
    }
  });

  it('leaves a rim out where the crop is smaller than the resized picture', () => {
    const dino = { ...square, resize: { kind: 'shortest-edge', shortest: 256 }, crop: square };
    expectRegion(coveredRegion({ width: 512, height: 512 }, dino, grid, 14), {
      left: 1 / 16,
      top: 1 / 16,
      width: 7 / 8,
      height: 7 / 8,
    });
  });

  it('is all of the picture where that is squeezed into a square, but for pixels beyond the last whole patch', () => {
    const size = { width: 384, height: 384 };
    const siglip = { ...size, resize: { kind: 'exact', ...size }, crop: null };
    expectRegion(coveredRegion({ width: 1000, height: 500 }, siglip, { rows: 27, columns: 27 }, 14), {
      left: 0,
      top: 0,
      width: 378 / 384,
      height: 378 / 384,
    });
  });

  it('keeps the longest edge within its limit, and reaches beyond a picture that is smaller than its crop', () => {
    const rule = { kind: 'shortest-edge', shortest: 224, longest: 448 };
    expectRegion(coveredRegion({ width: 400, height: 100 }, { ...square, resize: rule, crop: square }, grid, 14), {
      left: 0.25,
      top: -0.5,
      width: 0.5,
      height: 2,
    });
  });
});
