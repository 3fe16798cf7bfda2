import { expect } from 'chai';

import { centerCrop, resizedSize, type ResizeRule } from '../../lib/image/geometry';
import { planTiles } from '../../lib/image/tiles';
import { expectThrow } from '../support/expect-error';

describe('sizes after resizing', () => {
  const cases: [[number, number], ResizeRule, [number, number]][] = [
    [[640, 480], { kind: 'shortest-edge', shortest: 336 }, [448, 336]],
    [[480, 640], { kind: 'shortest-edge', shortest: 336 }, [336, 448]],
    // 298.67 is cut off, not rounded.
    [[500, 375], { kind: 'shortest-edge', shortest: 224 }, [298, 224]],
    [[336, 336], { kind: 'shortest-edge', shortest: 336 }, [336, 336]],
    [[10, 1000], { kind: 'exact', width: 7, height: 5 }, [7, 5]],
    [[400, 300], { kind: 'shortest-edge', shortest: 150, longest: 200 }, [200, 150]],
    [[400, 300], { kind: 'shortest-edge', shortest: 150, longest: 199 }, [199, 149]],
    [[1000, 300], { kind: 'shortest-edge', shortest: 224, longest: 333 }, [333, 100]],
    // 4.5 and 5.5: half goes to the even neighbour.
    [[20, 9], { kind: 'shortest-edge', shortest: 9, longest: 10 }, [10, 4]],
    [[20, 11], { kind: 'shortest-edge', shortest: 11, longest: 10 }, [10, 6]],
    // 100.1 is 100, which the short edge is already: both stay, though the long one could be 1001.
    [[1000, 100], { kind: 'shortest-edge', shortest: 101, longest: 1001 }, [1000, 100]],
    // Whichever edge falls short decides, and the other is cut off as above.
    [[1920, 1080], { kind: 'cover', width: 640, height: 360 }, [640, 360]],
    [[640, 480], { kind: 'cover', width: 640, height: 360 }, [640, 480]],
    [[500, 300], { kind: 'cover', width: 640, height: 360 }, [640, 384]],
    [[1000, 300], { kind: 'cover', width: 640, height: 360 }, [1200, 360]],
    [[500, 375], { kind: 'cover', width: 120, height: 224 }, [298, 224]],
    [[375, 500], { kind: 'cover', width: 224, height: 120 }, [224, 298]],
    [[336, 337], { kind: 'cover', width: 224, height: 224 }, [224, 224]],
    // As many whole patches as are nearest; half of one goes to the even neighbour.
    [[100, 70], { kind: 'nearest-patches', patch: 28, least: 784, most: 1e6 }, [112, 56]],
    [[13, 20], { kind: 'nearest-patches', patch: 28, least: 784, most: 1e6 }, [28, 56]],
    // Where transformers makes more of it than `most`: thin pictures, and growing ones.
    [[2000, 10], { kind: 'nearest-patches', patch: 28, least: 784, most: 3136 }, [112, 28]],
    [[10, 2000], { kind: 'nearest-patches', patch: 28, least: 784, most: 3136 }, [28, 112]],
    [[70, 20], { kind: 'nearest-patches', patch: 28, least: 3136, most: 3136 }, [84, 28]],
    [[900, 900], { kind: 'nearest-patches', patch: 28, least: 784, most: 784 }, [28, 28]],
  ];
  for (const [[width, height], rule, [toWidth, toHeight]] of cases) {
    it(`makes ${width} x ${height} ${toWidth} x ${toHeight} under ${JSON.stringify(rule)}`, () => {
      expect(resizedSize({ width, height }, rule)).to.deep.equal({ width: toWidth, height: toHeight });
    });
  }
});

describe('pictures that are too thin for whole patches', () => {
  const rule = { kind: 'nearest-patches', patch: 28, least: 3136, most: 1e6 } as const;
  const size = { width: 201, height: 1 };

  it('are refused, as by transformers', () => {
    expect(resizedSize({ ...size, width: 200 }, rule)).to.deep.equal({ width: 812, height: 28 });
    const message = /edges of at most 1 to 200 for a picture in whole patches but received 201 x 1 pixels$/;
    expectThrow(() => resizedSize(size, rule), 'ERR_ARGUMENT', message);
    expectThrow(() => resizedSize({ width: 1, height: 201 }, rule), 'ERR_ARGUMENT', /received 1 x 201 pixels$/);
  });
});

describe('tiles of a line of pixels', () => {
  const tiling = { by: 'long-edge', least: 1, most: 16, usual: true } as const;

  it('are at least one a side, where rounding leaves less than a pixel', () => {
    // 784 * (1 / 784) is less than 1.
    for (const edge of [784, 800]) {
      const resize = { rule: { kind: 'exact', width: 196, height: 196 }, filter: 'lanczos' } as const;
      const config = { longestEdgeFirst: edge, resize, crop: null, tiling, tiles: 25, rescale: 1 };
      const half = [0.5, 0.5, 0.5] as const;
      const cut = planTiles({ width: 1, height: 4000 }, { ...config, mean: half, std: half });
      expect(cut).to.deep.include({ rows: Math.ceil(edge / 196), columns: 1 });
      expect(cut?.sizes.at(-1)).to.deep.equal({ width: 196, height: Math.ceil(edge / 196) * 196 });
    }
  });
});

describe('the center crop', () => {
  /** One row whose pixels are 1, 2, 3, ... in all channels. */
  const row = (width: number) => ({
    data: Uint8Array.from({ length: width * 3 }, (_, i) => Math.floor(i / 3) + 1),
    width,
    height: 1,
  });
  const cropped = (width: number, toWidth: number) => {
    const { data } = centerCrop(row(width), { width: toWidth, height: 1 });
    return [...data].filter((_, i) => i % 3 === 0);
  };

  it('leaves an odd surplus on the right', () => {
    expect(cropped(5, 2)).to.deep.equal([2, 3]);
    expect(cropped(5, 3)).to.deep.equal([2, 3, 4]);
    expect(cropped(4, 1)).to.deep.equal([2]);
  });

  it('surrounds a small picture with black, the odd pixel on the left', () => {
    expect(cropped(2, 4)).to.deep.equal([0, 1, 2, 0]);
    expect(cropped(2, 5)).to.deep.equal([0, 0, 1, 2, 0]);
  });

  it('crops one side while it extends the other', () => {
    const column = { data: row(3).data, width: 1, height: 3 };
    const { data } = centerCrop(column, { width: 2, height: 1 });
    expect([...data]).to.deep.equal([0, 0, 0, 2, 2, 2]);
  });
});
