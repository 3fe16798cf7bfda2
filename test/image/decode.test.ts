import { expect } from 'chai';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp, { type Sharp } from 'sharp';

import { prepareImage, type ImageInput, type RawImage } from '../../lib/image';
import { DECODE_ONLY, noise, noiseImage } from './support';

const decode = (image: ImageInput) => prepareImage(image, DECODE_ONLY);

function encoder(image: RawImage): Sharp {
  return sharp(image.data, { raw: { width: image.width, height: image.height, channels: 3 } });
}

/** A picture of `channels` bytes a pixel; the colour behind alpha is what must come out. */
function withChannels(channels: 1 | 2 | 3 | 4, width: number, height: number) {
  const bytes = noise(width * height * channels, channels);
  return { bytes, image: sharp(bytes, { raw: { width, height, channels } }) };
}

/** What `image` looks like with every pixel replaced by three bytes of `source`, `stride` bytes apart. */
function rgbOf(source: Uint8Array, stride: number, pick: readonly [number, number, number]): number[] {
  const rgb: number[] = [];
  for (let i = 0; i < source.length; i += stride) rgb.push(...pick.map((channel) => source[i + channel] ?? -1));
  return rgb;
}

function meanDifference(a: Uint8Array, b: Uint8Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / a.length;
}

describe('decoding pictures', () => {
  const picture = noiseImage(19, 11);

  describe('where a picture comes from', () => {
    let folder: string;
    let file: string;
    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'qavit-image-'));
      file = path.join(folder, 'a picture with spaces & 100% ünicode.png');
      await writeFile(file, await encoder(picture).png().toBuffer());
    });
    after(() => rm(folder, { recursive: true }));

    it('reads a path', async () => {
      expect(await decode(file)).to.deep.equal({ data: new Uint8Array(picture.data), width: 19, height: 11 });
    });

    it('reads a file: URL, as an object and as text', async () => {
      const url = pathToFileURL(file);
      for (const input of [url, url.href])
        expect((await decode(input)).data).to.deep.equal(new Uint8Array(picture.data));
    });

    it('reads encoded bytes, also from the middle of a larger array', async () => {
      const png = await encoder(picture).png().toBuffer();
      const larger = new Uint8Array(png.length + 7);
      larger.set(png, 5);
      for (const input of [png, larger.subarray(5, 5 + png.length)]) {
        expect((await decode(input)).data).to.deep.equal(new Uint8Array(picture.data));
      }
    });

    it('does not see what happens to the bytes after the call', async () => {
      const png = new Uint8Array(await encoder(picture).png().toBuffer());
      const decoded = decode(png);
      png.fill(0);
      expect((await decoded).data).to.deep.equal(new Uint8Array(picture.data));
    });

    it('takes raw RGB as it is, in an array of its own', async () => {
      const prepared = await decode(picture);
      expect(prepared.data).to.deep.equal(new Uint8Array(picture.data));
      prepared.data.fill(0);
      expect(picture.data).to.deep.equal(noiseImage(19, 11).data);
    });
  });

  describe('lossless formats', () => {
    const formats: Record<string, (image: Sharp) => Sharp> = {
      PNG: (image) => image.png(),
      'interlaced PNG': (image) => image.png({ progressive: true }),
      WebP: (image) => image.webp({ lossless: true }),
      TIFF: (image) => image.tiff({ compression: 'lzw' }),
      AVIF: (image) => image.avif({ lossless: true }),
    };
    for (const [name, encode] of Object.entries(formats)) {
      it(`gives back the pixels of ${name}`, async () => {
        const prepared = await decode(await encode(encoder(picture)).toBuffer());
        expect(prepared).to.deep.equal({ data: new Uint8Array(picture.data), width: 19, height: 11 });
      });
    }
  });

  it('reads JPEG', async () => {
    const flat = { ...picture, data: Buffer.alloc(picture.data.length, 77) };
    const prepared = await decode(await encoder(flat).jpeg({ quality: 95 }).toBuffer());
    expect([prepared.width, prepared.height]).to.deep.equal([19, 11]);
    expect(meanDifference(prepared.data, flat.data)).to.be.at.most(1);
  });

  it('turns grey into three equal channels', async () => {
    const { bytes, image } = withChannels(1, 7, 5);
    const prepared = await decode(await image.toColourspace('b-w').png().toBuffer());
    expect([...prepared.data]).to.deep.equal(rgbOf(bytes, 1, [0, 0, 0]));
  });

  it('drops the alpha of grey pictures', async () => {
    const { bytes, image } = withChannels(2, 7, 5);
    const prepared = await decode(await image.toColourspace('b-w').png().toBuffer());
    expect([...prepared.data]).to.deep.equal(rgbOf(bytes, 2, [0, 0, 0]));
  });

  it('drops alpha and keeps the colour behind it, also where nothing is visible', async () => {
    const { bytes, image } = withChannels(4, 7, 5);
    for (let i = 3; i < bytes.length; i += 8) bytes[i] = 0;
    const prepared = await decode(await image.png().toBuffer());
    expect([...prepared.data]).to.deep.equal(rgbOf(bytes, 4, [0, 1, 2]));
  });

  it('keeps the colour behind the transparent one of a GIF, wherever its extensions are', async () => {
    const { data } = noiseImage(7, 5);
    const opaque = await encoder({ data, width: 7, height: 5, channels: 3 }).gif({ colours: 8, dither: 0 }).toBuffer();
    const wanted = (await decode(opaque)).data;
    const control = opaque.indexOf(Buffer.from([0x21, 0xf9, 4]));
    const comment = Buffer.from('\x21\xfe\x03abc\x02de\x00', 'latin1');
    for (let color = 0; color < 8; color++) {
      const gif = Buffer.concat([opaque.subarray(0, control), comment, opaque.subarray(control)]);
      const flags = control + comment.length + 3;
      gif[flags]! |= 1;
      gif[flags + 3] = color;
      expect((await sharp(gif).metadata()).hasAlpha).to.equal(true);
      expect((await decode(gif)).data, `colour ${color}`).to.deep.equal(wanted);
      expect(gif[flags]! & 1, 'the bytes that were given').to.equal(1);
    }
  });

  it('looks palettes up', async () => {
    const colours = [250, 10, 20, 30, 200, 40, 0, 60, 220];
    const data = Buffer.from(Array.from({ length: 24 }, (_, i) => colours.slice((i % 3) * 3, (i % 3) * 3 + 3)).flat());
    const image: RawImage = { data, width: 6, height: 4, channels: 3 };
    const png = await encoder(image).png({ palette: true, colours: 4, dither: 0 }).toBuffer();
    const colourType = png[25];
    expect(colourType, 'PNG colour type').to.equal(3);
    expect(meanDifference((await decode(png)).data, data)).to.be.below(3);
  });

  it('keeps the upper eight of sixteen bits', async () => {
    for (const channels of [1, 3] as const) {
      const values = new Uint16Array(35 * channels).map((_, i) => i * 1877);
      const space = channels === 1 ? 'grey16' : 'rgb16';
      const png = await sharp(values, { raw: { width: 7, height: 5, channels } })
        .toColourspace(space)
        .png()
        .toBuffer();
      const bitDepth = png[24];
      expect(bitDepth, 'PNG bit depth').to.equal(16);
      const upper = Uint8Array.from(values, (value) => value >>> 8);
      const pick = channels === 1 ? ([0, 0, 0] as const) : ([0, 1, 2] as const);
      expect([...(await decode(png)).data]).to.deep.equal(rgbOf(upper, channels, pick));
    }
  });

  it('converts CMYK to recognisable colours', async () => {
    const toCmyk = async (colour: readonly [number, number, number]) => {
      const data = Buffer.from(Array.from({ length: 64 }, () => colour).flat());
      const jpeg = await encoder({ data, width: 8, height: 8, channels: 3 }).toColourspace('cmyk').jpeg().toBuffer();
      expect((await sharp(jpeg).metadata()).space).to.equal('cmyk');
      return [...(await decode(jpeg)).data];
    };
    // Print cannot show every colour, so that only paper white comes back exactly.
    expect(await toCmyk([255, 255, 255])).to.deep.equal(new Array(8 * 8 * 3).fill(255));
    const [red, green, blue] = await toCmyk([200, 30, 30]);
    expect(red).to.be.above(180);
    expect(green).to.be.below(50);
    expect(blue).to.be.below(50);
    expect(Math.max(...(await toCmyk([0, 0, 0])))).to.be.below(50);
  });

  it('ignores an ICC profile, as Pillow does', async () => {
    const red = Buffer.from(Array.from({ length: 20 }, () => [255, 0, 0]).flat());
    const png = await encoder({ data: red, width: 5, height: 4, channels: 3 }).withIccProfile('p3').png().toBuffer();
    const stored = await sharp(png, { ignoreIcc: true }).raw().toBuffer();
    expect(stored[0], 'red of sRGB is not the red of P3').to.be.below(245);
    expect((await decode(png)).data).to.deep.equal(new Uint8Array(stored));
  });

  it('takes the first picture of an animation', async () => {
    const frames = Buffer.concat([Buffer.alloc(12 * 8 * 3, 255), Buffer.alloc(12 * 8 * 3, 0)]);
    const options = { raw: { width: 12, height: 16, channels: 3 as const, pageHeight: 8 } };
    for (const bytes of [
      await sharp(frames, options).gif().toBuffer(),
      await sharp(frames, options).webp({ lossless: true }).toBuffer(),
    ]) {
      expect((await sharp(bytes).metadata()).pages).to.equal(2);
      expect(await decode(bytes)).to.deep.equal({ data: new Uint8Array(12 * 8 * 3).fill(255), width: 12, height: 8 });
    }
  });
});

describe('EXIF orientation', () => {
  const width = 5;
  const height = 3;
  const stored = noiseImage(width, height);
  const [right, bottom] = [width - 1, height - 1];
  /** Where pixel (x, y) of the upright picture is stored. */
  const storedAt: Record<number, (x: number, y: number) => [number, number]> = {
    1: (x, y) => [x, y],
    2: (x, y) => [right - x, y],
    3: (x, y) => [right - x, bottom - y],
    4: (x, y) => [x, bottom - y],
    5: (x, y) => [y, x],
    6: (x, y) => [y, bottom - x],
    7: (x, y) => [right - y, bottom - x],
    8: (x, y) => [right - y, x],
  };

  function upright(orientation: number): { data: Uint8Array; width: number; height: number } {
    const isTurned = orientation >= 5;
    const size = isTurned ? { width: height, height: width } : { width, height };
    const data: number[] = [];
    for (let y = 0; y < size.height; ++y) {
      for (let x = 0; x < size.width; ++x) {
        const [column, row] = storedAt[orientation]?.(x, y) ?? [0, 0];
        data.push(...stored.data.subarray((row * width + column) * 3, (row * width + column) * 3 + 3));
      }
    }
    return { data: Uint8Array.from(data), ...size };
  }

  for (const orientation of [1, 2, 3, 4, 5, 6, 7, 8]) {
    it(`turns a picture upright from orientation ${orientation}`, async () => {
      const png = await encoder(stored).withMetadata({ orientation }).png().toBuffer();
      expect(await decode(png)).to.deep.equal(upright(orientation));
    });
  }

  it('turns JPEG too', async () => {
    const jpeg = await encoder(noiseImage(40, 24)).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { width: turnedWidth, height: turnedHeight } = await decode(jpeg);
    expect([turnedWidth, turnedHeight]).to.deep.equal([24, 40]);
  });
});
