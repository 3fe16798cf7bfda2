import { expect } from 'chai';
import type { AttentionMaps } from '../../lib';
import { bestRated } from '../../lib/qavit/token-selection';
import { colorOf, colorStops } from '../../lib/view/color-map';
import { commonRange, patchGrid, upsample } from '../../lib/view/patch-grid';
import * as effect from '../../lib/view/question-effect';
import { pageModule } from './page-module';

interface Grid {
  rows: number;
  columns: number;
}
type PatchGrid = Grid & { values: ArrayLike<number> };
interface Maps {
  grid: Grid;
  layers: { layer: number; gate: number; map: number[] }[];
  difference: number[];
  ratings?: number[];
}
interface Measures {
  bestRated(maps: Maps, count: number): { patches: number[]; others: number };
  attentionToQuestion(maps: Maps, layer?: number): PatchGrid;
  changeByQuestion(maps: Maps): PatchGrid;
  standingOut(features: effect.Features, grid: Grid): PatchGrid;
  differenceBetween(a: effect.Features, b: effect.Features, plain: effect.Features, grid: Grid): PatchGrid;
  commonRange(grids: PatchGrid[]): { low: number; high: number };
  upsample(grid: PatchGrid, width: number, height: number): Float32Array;
}

const GRID = { rows: 3, columns: 4 };
const PATCHES = 12;
const TOKENS = PATCHES + 1;
const wave = (length: number, step: number): Float32Array =>
  Float32Array.from({ length }, (_, i) => Math.sin(i * step) + 1.5);
const features = (step: number): effect.Features => ({ data: wave(TOKENS * 5, step), shape: [TOKENS, 5] });

/** The library's maps, and the same as POST /v1/attend answers: shares summed over the question's tokens, patches alone. */
function bothMaps(): { ours: AttentionMaps; sent: Maps } {
  const words = 3;
  const layers = [2, 4].map((layer) => {
    const data = wave(TOKENS * words, layer / 7).map((value) => value / 10);
    return { layer, gate: layer / 5, attention: { data, shape: [TOKENS, words] as [number, number] } };
  });
  const difference = wave(TOKENS, 0.3);
  const picture = { data: new Uint8Array(), width: 0, height: 0 };
  const sum = (data: Float32Array, patch: number): number =>
    data.slice((patch + 1) * words, (patch + 2) * words).reduce((total, share) => total + share, 0);
  const sent = {
    grid: GRID,
    layers: layers.map(({ layer, gate, attention }) => ({
      layer,
      gate,
      map: Array.from({ length: PATCHES }, (_, patch) => sum(attention.data, patch)),
    })),
    difference: Array.from(difference).slice(1),
  };
  return { ours: { grid: GRID, layers, difference, hasClass: true, picture }, sent };
}

function expectSame(page: PatchGrid, library: PatchGrid): void {
  expect([page.rows, page.columns, page.values.length]).to.deep.equal([library.rows, library.columns, PATCHES]);
  Array.from(library.values).forEach((value, i) => expect(page.values[i]).to.be.closeTo(value, 1e-6));
}

describe("the page's arithmetic is the library's", () => {
  let page: Measures;
  before(async () => {
    page = await pageModule<Measures>('measures.js');
  });

  it('attention to the question and change by it', () => {
    const { ours, sent } = bothMaps();
    expectSame(page.attentionToQuestion(sent), effect.attentionToQuestion(ours));
    const [, second] = ours.layers;
    expectSame(page.attentionToQuestion(sent, 4), effect.attentionToQuestion({ ...ours, layers: [second!] }));
    expectSame(page.changeByQuestion(sent), effect.changeByQuestion(ours));
  });

  it('the tokens that are rated highest', () => {
    const { sent } = bothMaps();
    const ratings = [2, -1, 7, 2, 7, -5, 2, 0, 1, 9, -2, 7, 3];
    for (let count = 1; count <= TOKENS; count += 1) {
      const kept = [...bestRated(Float32Array.from(ratings), count)];
      // Token 0 is the class token.
      expect(page.bestRated({ ...sent, ratings }, count), String(count)).to.deep.equal({
        patches: kept.filter((token) => token > 0).map((token) => token - 1),
        others: kept.includes(0) ? 1 : 0,
      });
      expect(page.bestRated({ ...sent, ratings: ratings.slice(1) }, count).others).to.equal(0);
    }
  });

  it('patches that stand out, and two questions against each other', () => {
    const [a, b, plain] = [features(0.7), features(0.9), features(1.3)];
    expectSame(page.standingOut(plain, GRID), effect.standingOut(plain, GRID));
    expectSame(page.differenceBetween(a, b, plain, GRID), effect.differenceBetween(a, b, plain, GRID));
  });

  it('range and enlargement', () => {
    const grid = patchGrid(wave(TOKENS, 0.8), GRID.rows, GRID.columns);
    expect(page.commonRange([grid])).to.deep.equal(commonRange([grid]));
    expect(page.commonRange([])).to.deep.equal({ low: 0, high: 0 });
    expect(page.upsample(grid, 17, 11)).to.deep.equal(upsample(grid, 17, 11));
  });

  it('colours', async () => {
    const colors = await pageModule<{ colorOf: typeof colorOf; gradient(): string }>('color-map.js');
    for (const value of [-1, NaN, 2, ...Array.from({ length: 1001 }, (_, i) => i / 1000)]) {
      expect(colors.colorOf(value), String(value)).to.deep.equal(colorOf(value));
    }
    const stops = colorStops().map(({ color }) => color);
    expect(colors.gradient()).to.equal(`linear-gradient(to right, ${stops.join(', ')})`);
  });
});
