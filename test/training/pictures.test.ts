import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { decodeImage } from '../../lib/image/decode';
import { expectRejection } from '../support/expect-error';
import { root } from '../support/paths';
import { requirePython, runPython } from '../support/python';
import { temporaryFolder } from '../support/temporary';

const LIMITS = { maxBytes: 2 ** 20, maxPixels: 2 ** 20 };
const OPEN = `
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from adapter.pictures import open_picture
def look(name):
    try:
        picture = open_picture(Path(name))
    except ValueError as error:
        return {"error": str(error)}
    return {"width": picture.width, "height": picture.height, "pixels": picture.tobytes().hex()}
print(json.dumps([look(name) for name in sys.argv[2:]]))
`;

describe('pictures that are trained on', () => {
  const at = temporaryFolder();
  const decode = (file: string) => decodeImage({ bytes: readFileSync(file), name: file }, LIMITS);

  it('are those that qavit decodes', async function () {
    requirePython(this, 'torch', 'transformers', 'PIL');
    const [width, height] = [5, 3];
    const bytes = Uint8Array.from({ length: width * height * 4 }, (_, i) => (i * 37 + 11) % 256);
    const colours = () => sharp(bytes, { raw: { width, height, channels: 4 } });
    const grey = Uint16Array.from({ length: width * height }, (_, i) => (i * 4099 + 77) % 65536);
    const deep = () => sharp(grey, { raw: { width, height, channels: 1 } }).toColourspace('grey16');
    const orientations = [1, 2, 3, 4, 5, 6, 7, 8];
    const pictures = [
      ...orientations.map((orientation) => colours().withMetadata({ orientation }).png()),
      colours().withMetadata({ orientation: 6 }).webp({ lossless: true, exact: true }),
      deep().png(),
      deep().withMetadata({ orientation: 8 }).png(),
      deep().tiff(),
    ];
    const files = await Promise.all(
      pictures.map(async (picture, i) => {
        const file = at(`${i}`);
        await picture.toFile(file);
        return file;
      }),
    );
    const seen = await runPython(OPEN, path.join(root, 'training'), ...files);
    const wanted = await Promise.all(files.map(decode));
    expect(seen).to.deep.equal(
      wanted.map(({ data, width, height }) => ({ width, height, pixels: Buffer.from(data).toString('hex') })),
    );
  });

  it('are refused in a format that qavit refuses', async function () {
    requirePython(this, 'torch', 'transformers', 'PIL');
    const file = at('picture.bmp');
    const header = Buffer.alloc(58);
    header.write('BM');
    [58, 0, 54, 40, 1, 1, 0x180001, 0, 4].forEach((value, i) => header.writeUInt32LE(value, 2 + 4 * i));
    writeFileSync(file, header);
    const error = `Expected JPEG, PNG, WebP, GIF, TIFF or AVIF for ${file} but received another format`;
    expect(await runPython(OPEN, path.join(root, 'training'), file)).to.deep.equal([{ error }]);
    await expectRejection(decode(file), 'ERR_UNSUPPORTED', /^Expected JPEG, PNG, WebP, GIF, TIFF or AVIF .* BMP/);
  });
});
