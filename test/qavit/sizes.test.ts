import { expect } from 'chai';
import type { Parameter } from '../../lib/graph';
import type { Size } from '../../lib/image/geometry';
import type { VisionModel } from '../../lib/models/qavit';
import { Sizes } from '../../lib/qavit/sizes';
import { square } from '../support/square';

/** Of one number a pixel. */
function tableOf({ width, height }: Size): Parameter {
  return { name: `${width} x ${height}`, role: 'table', shape: [height, width] };
}

const inputOf = (image: Size) => ({ image, tables: [tableOf(image)] });
const model = { ...inputOf(square(4)), family: 'a tower', at: inputOf } as unknown as VisionModel;

/** Room for 20 numbers beside the model's own. */
function small() {
  const forgotten: string[] = [];
  const sizes = new Sizes(model, (key, { tables }) => forgotten.push(`${key} of ${tables[0]!.name}`), 80);
  return { sizes, forgotten };
}

const wide = (width: number): Size => ({ width, height: 1 });

describe('models for pictures of each size', () => {
  it("are the model's own where nothing else is asked for, which is never forgotten", () => {
    const { sizes, forgotten } = small();
    for (let width = 1; width <= 20; width++) {
      expect(sizes.at()).to.equal(model);
      expect(sizes.at(square(4))).to.equal(model);
      sizes.at(wide(width));
    }
    expect(forgotten).to.have.length(19);
  });

  it('are the same while they are kept, and all of the model but for the size', () => {
    const { sizes } = small();
    const made = sizes.at(wide(7));
    expect(sizes.at({ ...wide(7) })).to.equal(made);
    expect(made).to.deep.include({ family: 'a tower', image: wide(7), tables: [tableOf(wide(7))] });
    expect(sizes.at({ width: 1, height: 7 }).image).to.deep.equal({ width: 1, height: 7 });
  });

  it('make room, those that were used least recently first', () => {
    const { sizes, forgotten } = small();
    const [five, six, seven] = [5, 6, 7].map((width) => sizes.at(wide(width)));
    expect(sizes.at(wide(5))).to.equal(five);
    sizes.at(wide(3));
    expect(forgotten).to.deep.equal(['6 x 1 of 6 x 1']);
    expect(sizes.at(wide(7))).to.equal(seven);
    expect(sizes.at(wide(6))).to.not.equal(six);
    expect(forgotten).to.deep.equal(['6 x 1 of 6 x 1', '5 x 1 of 5 x 1']);
  });

  it('have the room again of those that were forgotten', () => {
    const { sizes, forgotten } = small();
    for (let turn = 0; turn < 10; turn++) for (const width of [8, 9, 10]) sizes.at(wide(width));
    // There is room for two of these, whichever they are.
    sizes.at(wide(1));
    forgotten.length = 0;
    const kept = sizes.at(wide(10));
    sizes.at(wide(2));
    expect(forgotten).to.deep.equal(['9 x 1 of 9 x 1']);
    expect(sizes.at(wide(10))).to.equal(kept);
  });

  it('are kept while they are the last, however large', () => {
    const { sizes, forgotten } = small();
    sizes.at(wide(5));
    const large = sizes.at(wide(1000));
    expect(forgotten).to.deep.equal(['5 x 1 of 5 x 1']);
    expect(sizes.at(wide(1000))).to.equal(large);
    sizes.at(wide(5));
    expect(forgotten).to.deep.equal(['5 x 1 of 5 x 1', '1000 x 1 of 1000 x 1']);
  });
});
