import { expect } from 'chai';
import { atSize, parsePreprocessorConfig, preparedSize } from '../../lib/image';

const parse = (json: Record<string, unknown>) => parsePreprocessorConfig(json, 'preprocessor_config.json');

describe('the size of prepared pictures', () => {
  const dinov2 = parse({ image_processor_type: 'BitImageProcessor', size: { shortest_edge: 256 }, crop_size: 224 });
  const siglip = parse({ image_processor_type: 'SiglipImageProcessor', size: { height: 384, width: 384 } });

  const square = (side: number) => ({ width: side, height: side });

  it('is the crop, else the square that is resized to', () => {
    expect(preparedSize(dinov2)).to.deep.equal({ width: 224, height: 224 });
    expect(preparedSize(siglip)).to.deep.equal({ width: 384, height: 384 });
    expect(preparedSize(parse({ do_center_crop: false }))).to.equal(undefined);
    expect(preparedSize(parse({ do_resize: false, do_center_crop: false }))).to.equal(undefined);
  });

  it('grows with the part of the picture that is seen', () => {
    expect(atSize(dinov2, square(518))).to.deep.equal({
      ...dinov2,
      resize: { rule: { kind: 'shortest-edge', shortest: 592 }, filter: 'bicubic' },
      crop: { width: 518, height: 518 },
    });
    const deit = parse({ image_processor_type: 'DeiTImageProcessor' });
    expect(atSize(deit, square(112)).resize?.rule).to.deep.equal({ kind: 'exact', width: 128, height: 128 });
    const bounded = parse({ size: { shortest_edge: 300, longest_edge: 600 }, crop_size: 200 });
    expect(atSize(bounded, square(100)).resize?.rule).to.deep.equal({
      kind: 'shortest-edge',
      shortest: 150,
      longest: 300,
    });
  });

  it('may be any rectangle, of which a picture that is cropped covers all', () => {
    expect(atSize(dinov2, { width: 448, height: 224 })).to.deep.equal({
      ...dinov2,
      resize: { rule: { kind: 'cover', width: 512, height: 256 }, filter: 'bicubic' },
      crop: { width: 448, height: 224 },
    });
    const wide = { width: 640, height: 360 };
    expect(atSize(siglip, wide)).to.deep.equal({
      ...siglip,
      resize: { rule: { kind: 'exact', ...wide }, filter: 'bicubic' },
    });
    const deit = parse({ image_processor_type: 'DeiTImageProcessor' });
    expect(atSize(deit, { width: 112, height: 448 }).resize?.rule).to.deep.equal({
      kind: 'exact',
      width: 128,
      height: 512,
    });
    // Where the folder's own crop is none either, its shorter edge is what the resized one is measured by.
    for (const crop_size of [
      { height: 224, width: 448 },
      { height: 448, width: 224 },
    ]) {
      const oblong = parse({ size: { shortest_edge: 256 }, crop_size });
      expect(atSize(oblong, { width: 448, height: 224 }).resize?.rule).to.deep.equal({
        kind: 'cover',
        width: 512,
        height: 256,
      });
    }
    const uncropped = parse({ size: { shortest_edge: 300 }, do_center_crop: false });
    expect(atSize(uncropped, wide).resize?.rule).to.deep.equal({ kind: 'cover', ...wide });
    const idefics3 = parse({ image_processor_type: 'Idefics3ImageProcessor', max_image_size: { longest_edge: 512 } });
    const before = idefics3.longestEdgeFirst!;
    expect(atSize(idefics3, { width: 256, height: 128 }).longestEdgeFirst).to.equal(before / 2);
  });

  it('grows with a size that pictures have in between', () => {
    const tile = { longest_edge: 512 };
    const idefics3 = {
      image_processor_type: 'Idefics3ImageProcessor',
      size: { longest_edge: 2048 },
      max_image_size: tile,
    };
    expect(preparedSize(parse(idefics3))).to.deep.equal({ width: 512, height: 512 });
    const smaller = atSize(parse(idefics3), square(256));
    expect(smaller).to.deep.include({ longestEdgeFirst: 1024, crop: null });
    expect(smaller.resize).to.deep.equal({ rule: { kind: 'exact', width: 256, height: 256 }, filter: 'lanczos' });
    expect(atSize(parse({ ...idefics3, do_resize: false }), square(256))).to.not.have.property('longestEdgeFirst');
  });

  it('is what is asked for where nothing is cropped', () => {
    expect(atSize(siglip, square(512)).resize?.rule).to.deep.equal({ kind: 'exact', width: 512, height: 512 });
    const uncropped = parse({ size: { shortest_edge: 300 }, do_center_crop: false });
    expect(atSize(uncropped, square(64)).resize?.rule).to.deep.equal({ kind: 'shortest-edge', shortest: 64 });
    expect(atSize(parse({ do_resize: false, do_center_crop: false }), square(64))).to.include({
      resize: null,
      crop: null,
    });
  });
});
