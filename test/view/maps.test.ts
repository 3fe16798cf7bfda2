import { expect } from 'chai';
import { QAViTError } from '../../lib/errors';
import { colorOf, colorStops, hexColorOf } from '../../lib/view/color-map';
import { overlay, withinPatches } from '../../lib/view/overlay';
import { commonRange, patchGrid, upsample } from '../../lib/view/patch-grid';

describe('view/color-map', () => {
  it('starts and ends with the colours of viridis and holds them outside 0..1', () => {
    expect(hexColorOf(0)).to.equal('#440154');
    expect(hexColorOf(1)).to.equal('#fde725');
    expect(hexColorOf(-3)).to.equal('#440154');
    expect(hexColorOf(Infinity)).to.equal('#fde725');
    expect(hexColorOf(NaN)).to.equal('#440154');
  });

  it('grows steadily lighter', () => {
    const lightness = Array.from({ length: 101 }, (_, i) => {
      const [red, green, blue] = colorOf(i / 100);
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    });
    lightness.slice(1).forEach((value, i) => expect(value).to.be.at.least((lightness[i] ?? 0) - 0.5));
    expect((lightness[100] ?? 0) - (lightness[0] ?? 0)).to.be.greaterThan(180);
  });

  it('lists its stops from 0 to 1', () => {
    const stops = colorStops();
    expect(stops[0]).to.deep.equal({ offset: 0, color: '#440154' });
    expect(stops.at(-1)).to.deep.equal({ offset: 1, color: '#fde725' });
  });
});

describe('view/patch-grid', () => {
  it('leaves the class token out', () => {
    expect(Array.from(patchGrid([9, 1, 2, 3, 4, 5, 6], 2, 3).values)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(Array.from(patchGrid([1, 2, 3, 4, 5, 6], 3, 2).values)).to.deep.equal([1, 2, 3, 4, 5, 6]);
    expect(Array.from(patchGrid([9, 8, 7, 1, 2], 1, 2).values)).to.deep.equal([1, 2]);
  });

  it('rejects values that are no such grid', () => {
    expect(() => patchGrid([1, 2, 3, 4], 2, 3))
      .to.throw(QAViTError, 'Expected at least 6 values for a grid of 2 x 3 patches but received 4')
      .with.property('code', 'ERR_SHAPE');
  });

  it('finds one range for several grids and survives values that are no numbers', () => {
    const a = patchGrid([1, NaN, 3, 4], 2, 2);
    const b = patchGrid([-2, 0, Infinity, 1], 2, 2);
    expect(commonRange([a, b])).to.deep.equal({ low: -2, high: 4 });
    expect(commonRange([patchGrid([NaN], 1, 1)])).to.deep.equal({ low: 0, high: 0 });
  });

  it('gives patch centres their own value, the middle between two their mean, and holds the border', () => {
    // Three pixels a patch: its centre falls on the middle one.
    const grid = patchGrid([0, 3, 6, 30, 33, 36], 2, 3);
    const pixels = upsample(grid, 9, 6);
    const at = (x: number, y: number): number => pixels[y * 9 + x] ?? NaN;
    expect(pixels).to.have.length(54);
    expect([at(1, 1), at(4, 1), at(7, 1), at(1, 4), at(4, 4), at(7, 4)]).to.deep.equal([0, 3, 6, 30, 33, 36]);
    expect([at(0, 0), at(8, 0), at(0, 5), at(8, 5)]).to.deep.equal([0, 6, 30, 36]);
    expect(at(2, 1)).to.be.closeTo(1, 1e-6);
    expect(at(4, 2)).to.be.closeTo(13, 1e-5);
  });

  it('shows a grid of one patch evenly', () => {
    expect(Array.from(upsample(patchGrid([7], 1, 1), 3, 2))).to.deep.equal([7, 7, 7, 7, 7, 7]);
  });
});

describe('view/overlay', () => {
  it('puts the colours of the ends over black, and the low end where all values are equal', () => {
    const picture = { data: new Uint8Array(2 * 3), width: 2, height: 1 };
    const share = (channel: number): number => Math.round(channel * 0.66);
    const shown = overlay(picture, patchGrid([5, 8], 1, 2), { low: 5, high: 8 });
    expect(Array.from(shown.data)).to.deep.equal([...colorOf(0), ...colorOf(1)].map(share));
    const flat = overlay(picture, patchGrid([5, 5], 1, 2), { low: 5, high: 5 });
    expect(Array.from(flat.data)).to.deep.equal([...colorOf(0), ...colorOf(0)].map(share));
  });

  it('is of whole patches: what lies beyond them at the right and below was seen by none', () => {
    const picture = { data: Uint8Array.from({ length: 5 * 4 * 3 }, (_, i) => i), width: 5, height: 4 };
    const seen = withinPatches(picture, { rows: 1, columns: 2 }, 2);
    expect(seen).to.include({ width: 4, height: 2 });
    const row = (y: number): number[] => Array.from({ length: 12 }, (_, i) => y * 15 + i);
    expect(Array.from(seen.data)).to.deep.equal([...row(0), ...row(1)]);
    expect(withinPatches(picture, { rows: 4, columns: 5 }, 1)).to.equal(picture);
  });
});
