import { expect } from 'chai';
import { outline } from '../../lib/view/outline';
import { pageModule } from './page-module';

const GRID = { rows: 3, columns: 4 };
const SIDE = 12;

/** `M2 1h1` as the edge from (2, 1) to (3, 1). */
const edgesOf = (path: string): string[] => path.match(/M\d+ \d+[hv]1/g) ?? [];

describe("the page's outline", () => {
  let outlinePath: (patches: readonly number[], grid: typeof GRID) => string;
  before(async () => {
    ({ outlinePath } = await pageModule<{ outlinePath: typeof outlinePath }>('outline.js'));
  });

  it('goes around patches, and not between two that touch', () => {
    expect(outlinePath([], GRID)).to.equal('');
    expect(edgesOf(outlinePath([5], GRID))).to.have.members(['M1 1h1', 'M1 2h1', 'M1 1v1', 'M2 1v1']);
    const two = ['M1 1h1', 'M2 1h1', 'M1 2h1', 'M2 2h1', 'M1 1v1', 'M3 1v1'];
    expect(edgesOf(outlinePath([5, 6], GRID))).to.have.members(two);
    // The end of one row and the start of the next do not touch.
    expect(edgesOf(outlinePath([3, 4], GRID))).to.have.length(8);
  });

  it("is where the library's is", () => {
    const [width, height] = [GRID.columns * SIDE, GRID.rows * SIDE];
    for (let set = 0; set < 2 ** 12; set += 37) {
      const patches = Array.from({ length: 12 }, (_, patch) => patch).filter((patch) => (set >> patch) & 1);
      const edges = edgesOf(outlinePath(patches, GRID));
      const drawn = outline(
        { data: new Uint8Array(width * height * 3).fill(128), width, height },
        { patches, ...GRID },
      );
      for (const patch of patches) {
        const [row, column] = [Math.floor(patch / GRID.columns), patch % GRID.columns];
        const isWhite = (x: number, y: number): boolean => drawn.data[(y * width + x) * 3] === 255;
        const [x, y, middle] = [column * SIDE, row * SIDE, SIDE / 2];
        const sides = {
          [`M${column} ${row}h1`]: isWhite(x + middle, y),
          [`M${column} ${row + 1}h1`]: isWhite(x + middle, y + SIDE - 1),
          [`M${column} ${row}v1`]: isWhite(x, y + middle),
          [`M${column + 1} ${row}v1`]: isWhite(x + SIDE - 1, y + middle),
        };
        for (const [edge, there] of Object.entries(sides))
          expect(edges.includes(edge), `${set} ${edge}`).to.equal(there);
      }
    }
  });
});
