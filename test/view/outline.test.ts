import { expect } from 'chai';
import { outline } from '../../lib/view/outline';

describe('view/outline', () => {
  const side = 60;
  const grey = { data: new Uint8Array(side * side * 3).fill(120), width: side, height: side };
  /** Three patches a side, 20 pixels each. */
  const drawn = (...patches: number[]) => {
    const { data } = outline(grey, { patches, rows: 3, columns: 3 });
    return (x: number, y: number): number[] => [...data.subarray((y * side + x) * 3, (y * side + x) * 3 + 3)];
  };
  const [LINE, SHADE, UNTOUCHED] = [255, 20, 120].map((value) => [value, value, value]);

  it('draws inside of a patch, and leaves the rest of the picture', () => {
    const at = drawn(4);
    expect([20, 21, 22, 23, 24].map((x) => at(x, 30))).to.deep.equal([LINE, LINE, LINE, SHADE, UNTOUCHED]);
    expect([39, 38, 37, 36, 35].map((y) => at(30, y))).to.deep.equal([LINE, LINE, LINE, SHADE, UNTOUCHED]);
    expect([at(19, 30), at(40, 30), at(30, 19), at(30, 40), at(30, 30)]).to.deep.equal(Array(5).fill(UNTOUCHED));
    expect(grey.data.every((value) => value === 120)).to.equal(true);
  });

  it('draws none between two that touch, and closes inner corners', () => {
    const at = drawn(3, 4, 7);
    expect([18, 19, 20, 21].map((x) => at(x, 30))).to.deep.equal(Array(4).fill(UNTOUCHED));
    expect(at(19, 39)).to.deep.equal(LINE);
    // Where the corner of patch 6, which is not marked, touches patch 4.
    expect(at(20, 39)).to.deep.equal(LINE);
  });

  it('draws along the edges of the picture, and of sides that patches do not divide', () => {
    const at = drawn(0, 8);
    expect([at(0, 10), at(10, 0), at(59, 50), at(50, 59)]).to.deep.equal(Array(4).fill(LINE));
    const { data } = outline({ ...grey, width: 50, height: 72 }, { patches: [4], rows: 5, columns: 7 });
    expect(data).to.have.length(grey.data.length);
    expect(data.some((value) => value === 255)).to.equal(true);
  });

  it('draws along an edge beside which the next row begins with a marked patch', () => {
    const at = drawn(2, 3);
    expect([at(59, 10), at(0, 30)]).to.deep.equal([LINE, LINE]);
  });

  it('changes nothing where there is no patch', () => {
    expect(outline(grey, { patches: [], rows: 3, columns: 3 }).data).to.deep.equal(grey.data);
  });
});
