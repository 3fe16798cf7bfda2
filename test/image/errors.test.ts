import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { crc32, deflateSync } from 'node:zlib';
import sharp from 'sharp';

import { parsePreprocessorConfig, prepareImage, type ImageInput, type ImageLimits, withTiles } from '../../lib/image';
import { DECODE_ONLY, noise, noiseImage, rejection } from './support';

const decode = (image: unknown, limits?: ImageLimits) => prepareImage(image as ImageInput, DECODE_ONLY, { limits });

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}

/** A well-formed PNG whose header claims any size, with one row of pixels behind it. */
function pngClaiming(width: number, height: number): Buffer {
  const header = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 2, 0, 0, 0]);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  const pixels = deflateSync(Buffer.alloc(1 + width * 3));
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', pixels),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

function encoded(width: number, height: number) {
  return sharp(noiseImage(width, height).data, { raw: { width, height, channels: 3 } });
}

describe('pictures that cannot be used', () => {
  let folder: string;
  const inFolder = (name: string) => path.join(folder, name);
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'qavit-image-'));
  });
  after(() => rm(folder, { recursive: true }));

  describe('files', () => {
    it('names a missing file', async () => {
      const missing = inFolder('missing.png');
      for (const input of [missing, pathToFileURL(missing)]) {
        expect((await rejection('ERR_ARGUMENT', () => decode(input))).message).to.include(missing);
      }
    });

    it('refuses a directory', async () => {
      await mkdir(inFolder('folder.png'));
      const { message } = await rejection('ERR_ARGUMENT', () => decode(inFolder('folder.png')));
      expect(message).to.include('folder.png').and.include('directory');
    });

    it('refuses a device instead of reading it for ever', async function () {
      if (process.platform === 'win32') this.skip();
      expect((await rejection('ERR_ARGUMENT', () => decode('/dev/zero'))).message).to.include('special file');
    });

    it('refuses a text file named .jpg', async () => {
      await writeFile(inFolder('text.jpg'), 'These are words and not a picture.\n');
      expect((await rejection('ERR_FORMAT', () => decode(inFolder('text.jpg')))).message).to.include('text.jpg');
    });

    it('refuses an empty file', async () => {
      await writeFile(inFolder('empty.png'), '');
      expect((await rejection('ERR_FORMAT', () => decode(inFolder('empty.png')))).message).to.include('empty');
    });

    it('refuses a file beyond maxBytes without reading it', async () => {
      await writeFile(inFolder('large.png'), '');
      await truncate(inFolder('large.png'), 2 ** 36);
      const { message } = await rejection('ERR_ARGUMENT', () => decode(inFolder('large.png')));
      expect(message)
        .to.include(String(2 ** 36))
        .and.include(String(2 ** 26));
    });
  });

  describe('what is passed in', () => {
    it('refuses remote and data URLs', async () => {
      const remote = ['http://example.org/a.png', 'https://example.org/a.png', 'data:image/png;base64,AAAA'];
      for (const input of [...remote, ...remote.map((text) => new URL(text))]) {
        await rejection('ERR_UNSUPPORTED', () => decode(input));
      }
    });

    it('refuses file: URLs that name no local file', async () => {
      await rejection('ERR_ARGUMENT', () => decode(new URL('file:///a%2Fb.png')));
      await rejection('ERR_ARGUMENT', () => decode('file:///nowhere/missing.png'));
    });

    it('refuses paths that no file can have', async () => {
      await rejection('ERR_ARGUMENT', () => decode(''));
      await rejection('ERR_ARGUMENT', () => decode('a\0b.png'));
    });

    for (const input of [undefined, null, 7, true, [], {}, { data: [1, 2, 3], width: 1, height: 1, channels: 3 }]) {
      it(`refuses ${JSON.stringify(input)}`, async () => {
        await rejection('ERR_ARGUMENT', () => decode(input));
      });
    }

    it('holds raw pixels to their sizes', async () => {
      const data = Buffer.alloc(12);
      await rejection('ERR_SHAPE', () => decode({ data, width: 2, height: 3, channels: 3 }));
      await rejection('ERR_SHAPE', () => decode({ data, width: 1, height: 3, channels: 3 }));
      await rejection('ERR_SHAPE', () => decode({ data, width: 3, height: 1, channels: 4 }));
      for (const width of [0, -2, 1.5, NaN, Infinity, '2']) {
        await rejection('ERR_ARGUMENT', () => decode({ data, width, height: 2, channels: 3 }));
      }
      await rejection('ERR_ARGUMENT', () => decode({ data: Buffer.alloc(0), width: 0, height: 0, channels: 3 }));
    });

    it('checks the limits themselves', async () => {
      for (const maxPixels of [0, -1, 1.5, NaN, Infinity]) {
        await rejection('ERR_ARGUMENT', () => decode(noiseImage(2, 2), { maxPixels }));
        await rejection('ERR_ARGUMENT', () => decode(noiseImage(2, 2), { maxBytes: maxPixels }));
      }
    });
  });

  describe('limits', () => {
    it('refuses a small PNG that claims more than a gigabyte, telling the numbers', async () => {
      const bomb = pngClaiming(20000, 20000);
      expect(bomb.length).to.be.below(1000);
      const { message } = await rejection('ERR_ARGUMENT', () => decode(bomb));
      expect(message)
        .to.include('20000 x 20000 = 400000000')
        .and.include(String(64 * 2 ** 20));
    });

    it('refuses the largest sizes a header can hold', async () => {
      await rejection('ERR_FORMAT', () => decode(pngClaimingNoPixels(2 ** 31 - 1, 2 ** 31 - 1)));
      await rejection('ERR_FORMAT', () => decode(pngClaimingNoPixels(0, 5)));
    });

    it('accepts a picture of exactly maxPixels and maxBytes, and not one more', async () => {
      const png = await encoded(12, 10).png().toBuffer();
      const exact = { maxPixels: 120, maxBytes: png.length };
      expect((await decode(png, exact)).width).to.equal(12);
      await rejection('ERR_ARGUMENT', () => decode(png, { ...exact, maxPixels: 119 }));
      await rejection('ERR_ARGUMENT', () => decode(png, { ...exact, maxBytes: png.length - 1 }));
      await rejection('ERR_ARGUMENT', () => decode(noiseImage(12, 10), { maxPixels: 119 }));
    });

    it('refuses a picture so long that resizing its short edge would make it huge', async () => {
      const config = parsePreprocessorConfig({ size: 336 }, 'preprocessor_config.json');
      const { message } = await rejection('ERR_ARGUMENT', () => prepareImage(noiseImage(60000, 1), config));
      expect(message).to.include('20160000 x 336');
    });

    it('refuses a picture whose borders would make it huge', async () => {
      const json = { image_processor_type: 'LlavaOnevisionImageProcessor', size: { height: 9000, width: 9000 } };
      const config = parsePreprocessorConfig({ ...json, image_grid_pinpoints: [[90000, 90000]] }, 'p.json');
      const { message } = await rejection('ERR_ARGUMENT', () =>
        prepareImage(noiseImage(1000, 1), withTiles(config, 'auto')),
      );
      expect(message).to.include('the picture with its borders').and.include('90000 x 90000');
    });

    it('refuses a picture that resizing would make vanish', async () => {
      const config = parsePreprocessorConfig({ size: { shortest_edge: 8, longest_edge: 9 } }, 'p.json');
      await rejection('ERR_ARGUMENT', () => prepareImage(noiseImage(100, 1), config));
    });
  });

  describe('damaged files', () => {
    const formats = ['png', 'jpeg', 'webp', 'gif', 'tiff', 'avif'] as const;
    for (const format of formats) {
      it(`refuses a truncated ${format}`, async () => {
        const bytes = await encoded(64, 48)[format]().toBuffer();
        for (const share of [0.05, 0.5, 0.9]) {
          await rejection('ERR_FORMAT', () => decode(bytes.subarray(0, Math.floor(bytes.length * share))));
        }
      });
    }

    it('refuses a PNG with a wrong checksum or with too few pixels', async () => {
      const png = await encoded(64, 48).png().toBuffer();
      png[png.length - 20]! ^= 0xff;
      await rejection('ERR_FORMAT', () => decode(png));
      await rejection('ERR_FORMAT', () => decode(pngClaiming(40, 30)));
    });

    it('ends in an error or a picture whatever bytes are changed', async () => {
      for (const format of formats) {
        const bytes = await encoded(24, 16)[format]().toBuffer();
        for (let seed = 1; seed <= 12; ++seed) {
          const damaged = Buffer.from(bytes);
          for (const where of noise(6, seed * 7)) damaged[(where * 131 * seed) % damaged.length]! ^= 1 << (where % 8);
          const outcome = await decode(damaged).catch((error: { code?: string }) => error.code);
          const isPicture = typeof outcome === 'object' && outcome.data.length === outcome.width * outcome.height * 3;
          if (!isPicture) expect(outcome).to.be.oneOf(['ERR_FORMAT', 'ERR_ARGUMENT', 'ERR_UNSUPPORTED']);
        }
      }
    });
  });

  describe('formats that are not decoded', () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><image href="file:///etc/passwd"/></svg>';
    const refused: Record<string, Buffer> = {
      SVG: Buffer.from(svg),
      'SVG behind an XML prologue': Buffer.from(`\ufeff\n<?xml version="1.0"?>\n<!DOCTYPE svg>${svg}`),
      'SVG behind a comment': Buffer.from(`<!-- made by hand -->${svg}`),
      PDF: Buffer.from('%PDF-1.7\n1 0 obj\n'),
      BMP: Buffer.from('BM\x46\0\0\0\0\0\0\0\x36\0\0\0', 'latin1'),
      HEIC: Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'),
      'JPEG XL': Buffer.from('\xff\x0a\xfa\x1f', 'latin1'),
      'JPEG 2000': Buffer.from('\0\0\0\x0cjP  \r\n\x87\n', 'latin1'),
    };
    for (const [name, bytes] of Object.entries(refused)) {
      it(`refuses ${name}`, async () => {
        const { message } = await rejection('ERR_UNSUPPORTED', () => decode(bytes));
        expect(message).to.include('JPEG, PNG');
      });
    }
  });

  describe('AbortSignal', () => {
    it('does nothing once aborted', async () => {
      const reason = new Error('enough');
      const error = await rejection('ERR_ABORTED', () =>
        prepareImage(inFolder('missing.png'), DECODE_ONLY, { signal: AbortSignal.abort(reason) }),
      );
      expect(error.cause).to.equal(reason);
    });

    it('stops waiting for a decoder that is busy', async () => {
      const png = await encoded(1500, 1500).png({ compressionLevel: 1 }).toBuffer();
      const controller = new AbortController();
      const prepared = prepareImage(png, DECODE_ONLY, { signal: controller.signal });
      setImmediate(() => controller.abort());
      await rejection('ERR_ABORTED', () => prepared);
    });

    it('stops waiting for the resampler', async () => {
      const config = parsePreprocessorConfig({ size: 800, resample: 1 }, 'preprocessor_config.json');
      const controller = new AbortController();
      const prepared = prepareImage(noiseImage(1500, 1500), config, { signal: controller.signal });
      setImmediate(() => controller.abort());
      await rejection('ERR_ABORTED', () => prepared);
    });

    it('leaves no listener behind', async () => {
      const { signal } = new AbortController();
      await prepareImage(await encoded(9, 9).png().toBuffer(), DECODE_ONLY, { signal });
      expect(getEventListeners(signal, 'abort')).to.be.empty;
    });
  });
});

/** Sizes that pngClaiming cannot give a row of pixels to. */
function pngClaimingNoPixels(width: number, height: number): Buffer {
  const png = pngClaiming(1, 1);
  png.writeUInt32BE(width, 16);
  png.writeUInt32BE(height, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}
