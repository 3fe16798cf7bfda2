import { expect } from 'chai';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { atSize, inOwnShapes, parsePreprocessorConfig, type PreprocessorConfig, prepareImage } from '../../lib/image';
import { decodeImage } from '../../lib/image/decode';
import { noiseImage } from '../image/support';
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

const PREPARE = `
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from adapter.picture_size import AtSize, InOwnShapes, PictureSize
from adapter.pictures import load_processor, open_picture
processor = load_processor(Path(sys.argv[2]))
def sized(size):
    if size == "own":
        return processor
    if size.startswith("most"):
        return InOwnShapes(processor, *map(int, size.split()[1:]))
    return AtSize(processor, PictureSize.parse(size))
def prepare(size, file):
    made = sized(size)(open_picture(Path(file)), return_tensors="pt")["pixel_values"][0]
    made = made.permute(1, 2, 0)
    assert (made == made.byte()).all()
    return {"shape": list(made.shape), "pixels": bytes(made.byte().flatten().tolist()).hex()}
taken = [size for size in sys.argv[3].split(",") if processor.do_resize or not size.startswith("most")]
print(json.dumps([[prepare(size, file) for file in sys.argv[4:]] for size in taken]))
`;

function sized(config: PreprocessorConfig, text: string): PreprocessorConfig {
  const [, patch = 0, patches = 0] = text.split(' ').map(Number);
  if (text.startsWith('most')) return inOwnShapes(config, { patch, patches });
  const [width = 0, height = width] = text.split('x').map(Number);
  return atSize(config, { width, height });
}

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

  it('are those that qavit prepares, of whatever size is asked for', async function () {
    requirePython(this, 'torch', 'transformers', 'PIL');
    const plain = { do_rescale: false, do_normalize: false };
    const configs = [
      { image_processor_type: 'CLIPImageProcessor', size: { shortest_edge: 20 }, crop_size: 20 },
      { image_processor_type: 'BitImageProcessor', size: { shortest_edge: 32 }, crop_size: { height: 28, width: 28 } },
      { image_processor_type: 'CLIPImageProcessor', do_resize: false, crop_size: 20 },
      { image_processor_type: 'SiglipImageProcessor', size: { height: 24, width: 24 } },
      { image_processor_type: 'ViTImageProcessor', size: { height: 24, width: 24 } },
      {
        image_processor_type: 'DeiTImageProcessor',
        size: { height: 24, width: 24 },
        crop_size: { height: 21, width: 21 },
      },
      { image_processor_type: 'GotOcr2ImageProcessor', size: { height: 24, width: 24 } },
      { image_processor_type: 'Siglip2ImageProcessor', patch_size: 5, max_num_patches: 20 },
    ];
    // Patch and most patches where each picture has its own shape.
    const sizes = ['17', '44', '40x17', '13x37', 'most 5 20', 'most 7 3'];
    const pictures = [noiseImage(50, 37), noiseImage(31, 60), noiseImage(90, 20)];
    const files = await Promise.all(
      pictures.map(async ({ data, width, height }, i) => {
        const file = at(`picture-${i}.png`);
        await sharp(data, { raw: { width, height, channels: 3 } }).toFile(file);
        return file;
      }),
    );
    for (const [i, fields] of configs.entries()) {
      const folder = at(`config-${i}`);
      mkdirSync(folder);
      const config = { ...fields, ...plain };
      writeFileSync(path.join(folder, 'preprocessor_config.json'), JSON.stringify(config));
      const args = [path.join(root, 'training'), folder, sizes.join(','), ...files];
      const seen = (await runPython(PREPARE, ...args)) as { shape: number[]; pixels: string }[][];
      for (const [s, text] of sizes.entries()) {
        const parsed = parsePreprocessorConfig(config, 'preprocessor_config.json');
        if (text.startsWith('most') && !parsed.resize) continue;
        const wanted = sized(parsed, text);
        for (const [p, picture] of pictures.entries()) {
          const prepared = await prepareImage({ ...picture, channels: 3 }, wanted);
          const where = `${config.image_processor_type}, ${text}, picture ${p}`;
          expect(seen[s]![p]!.shape, where).to.deep.equal([prepared.height, prepared.width, 3]);
          expect(seen[s]![p]!.pixels, where).to.equal(Buffer.from(prepared.data).toString('hex'));
        }
      }
    }
  });

  it("are Qwen2-VL's, by its own rule, of however many patches", async function () {
    requirePython(this, 'torch', 'transformers', 'PIL');
    const config = {
      image_processor_type: 'Qwen2VLImageProcessor',
      patch_size: 5,
      min_pixels: 1000,
      max_pixels: 3330,
      do_rescale: false,
      do_normalize: false,
    };
    const folder = at('qwen');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'preprocessor_config.json'), JSON.stringify(config));
    const pictures = [noiseImage(50, 37), noiseImage(31, 60), noiseImage(90, 20), noiseImage(12, 9)];
    const files = await Promise.all(
      pictures.map(async ({ data, width, height }, i) => {
        const file = at(`shaped-${i}.png`);
        await sharp(data, { raw: { width, height, channels: 3 } }).toFile(file);
        return file;
      }),
    );
    const args = [path.join(root, 'training'), folder, 'own,most 5 30', ...files];
    const seen = (await runPython(PREPARE, ...args)) as { shape: number[]; pixels: string }[][];
    const own = parsePreprocessorConfig(config, 'preprocessor_config.json');
    // 30 patches are 7 squares.
    for (const [s, steps] of [own, inOwnShapes(own, { patch: 10, patches: 7 })].entries()) {
      for (const [p, picture] of pictures.entries()) {
        const { data, width, height } = await prepareImage({ ...picture, channels: 3 }, steps);
        expect(seen[s]![p]!.shape).to.deep.equal([height, width, 3]);
        expect(seen[s]![p]!.pixels).to.equal(Buffer.from(data).toString('hex'));
      }
    }
    expect(seen[1]![0]!.shape).to.not.deep.equal(seen[0]![0]!.shape);
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
