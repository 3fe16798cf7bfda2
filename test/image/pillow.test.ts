import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { loadAddon } from '../../lib/binding/load';
import type { ResampleFilter } from '../../lib/binding/native';
import { parsePreprocessorConfig, prepareImage, withTiles } from '../../lib/image';
import { resizedSize } from '../../lib/image/geometry';
import { fixture } from '../support/paths';
import { noiseImage } from './support';

/** Written by training/fixtures/pillow.py with Pillow and transformers. */
interface Digests {
  resize: { filter: ResampleFilter; sizes: [number, number, number, number]; sha256: string }[];
  processors: { config: object; picture: [number, number]; prepared: [number, number]; sha256: string }[];
  tiled: {
    config: object;
    tiles: number | null;
    picture: [number, number];
    grid: [number, number] | null;
    sha256: string;
  }[];
  /** Patch and most patches, width and height before and after. */
  shapes: [number, number, number, number, number, number][];
  /** Patch, least and most pixels, width and height before and after. */
  nearest: [number, number, number, number, number, number, number][];
}

const digests = JSON.parse(readFileSync(fixture('images', 'pillow-digests.json'), 'utf8')) as Digests;

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe("Pillow's pixels, bit for bit", () => {
  const filters = [...new Set(digests.resize.map(({ filter }) => filter))];
  it('covers every filter', () => {
    expect(filters).to.have.members(['nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos']);
  });

  for (const filter of filters) {
    it(`resizes with ${filter}`, async () => {
      for (const { sizes, sha256: wanted } of digests.resize.filter((entry) => entry.filter === filter)) {
        const [width, height, toWidth, toHeight] = sizes;
        const pixels = noiseImage(width, height).data;
        const resized = await loadAddon().resample({ pixels, width, height, toWidth, toHeight, filter });
        expect(resized.length).to.equal(toWidth * toHeight * 3);
        expect(sha256(resized), sizes.join(' ')).to.equal(wanted);
      }
    });
  }

  for (const { config, picture, prepared, sha256: wanted } of digests.processors) {
    it(`prepares ${picture.join(' x ')} as transformers does with ${JSON.stringify(config)}`, async () => {
      const parsed = parsePreprocessorConfig(config, 'preprocessor_config.json');
      const result = await prepareImage(noiseImage(...picture), parsed);
      expect([result.width, result.height]).to.deep.equal(prepared);
      expect(sha256(result.data)).to.equal(wanted);
    });
  }

  it("lets pictures keep their shapes as SigLIP 2's processor does", () => {
    for (const [patch, patches, width, height, ...prepared] of digests.shapes) {
      const rule = { kind: 'most-patches', patch, patches } as const;
      const size = resizedSize({ width, height }, rule);
      expect([size.width, size.height], `${width} x ${height}, ${patches} of ${patch}`).to.deep.equal(prepared);
    }
    expect(digests.shapes).to.have.length.above(100);
  });

  it("brings pictures to whole squares of patches as Qwen2-VL's processor does", () => {
    for (const [patch, least, most, width, height, ...prepared] of digests.nearest) {
      const size = resizedSize({ width, height }, { kind: 'nearest-patches', patch, least, most });
      expect([size.width, size.height], `${width} x ${height}, ${least} to ${most}`).to.deep.equal(prepared);
    }
    expect(digests.nearest).to.have.length.above(60);
  });

  it('cuts pictures, and leaves some whole', () => {
    const grids = new Set(digests.tiled.map(({ grid }) => grid?.join(' x ') ?? 'whole'));
    expect([...grids]).to.include.members(['whole', '1 x 4', '3 x 4', '4 x 2']);
  });

  for (const { config, tiles, picture, grid, sha256: wanted } of digests.tiled) {
    const most = tiles ?? 'auto';
    it(`cuts ${picture.join(' x ')} into ${most} tiles as transformers does with ${JSON.stringify(config)}`, async () => {
      const parsed = withTiles(parsePreprocessorConfig(config, 'preprocessor_config.json'), most);
      const { data, tiles: cut } = await prepareImage(noiseImage(...picture), parsed);
      expect(cut ? [cut.rows, cut.columns] : null).to.deep.equal(grid);
      expect(sha256(Buffer.concat([cut?.data ?? new Uint8Array(), data]))).to.equal(wanted);
    });
  }
});
