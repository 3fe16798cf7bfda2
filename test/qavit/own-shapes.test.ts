import { expect } from 'chai';
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type BatchItem,
  type LoadOptions,
  type ModelFolders,
  QAViT,
  type QuestionFeatures,
  type RawImage,
} from '../../lib';
import type { Device } from '../../lib/binding/native';
import { openDevice } from '../../lib/binding/open-device';
import type { Size } from '../../lib/image/geometry';
import { Engine } from '../../lib/qavit/engine';
import { openVision } from '../../lib/qavit/open-vision';
import { choosePrecision } from '../../lib/qavit/precision';
import { changedTower } from '../support/changed-tower';
import { relativeError } from '../support/compare';
import { itemsOf } from '../support/encode-case';
import { expectRejection } from '../support/expect-error';
import { fixture } from '../support/paths';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import { loadingOf, readTowerFixture, towerFixtures } from '../support/towers';
import { linedFolder, llavaFolder, mergingAdapter, mergingFolder, twoWayFolder } from '../support/vision-language';
import { noiseImage } from '../image/support';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const CPU = { device: 'cpu', dtype: 'f32' } as const;
/** Bytes, of little more than the largest of the sizes that are tried. */
const MOST_TABLES = 3500;
const tower = (name: string): string => fixture('towers', name, 'tower');

/** What a tower sees of a picture: its whole patches. */
function wholePatches({ data, width, height, channels }: RawImage, patch: number): RawImage {
  const [across, down] = [width, height].map((edge) => Math.floor(edge / patch) * patch) as [number, number];
  const rows = Array.from({ length: down }, (_, y) => data.slice(y * width * 3, (y * width + across) * 3));
  return { data: Buffer.concat(rows), width: across, height: down, channels };
}

function features(tokens: number, width: number, seed = 1): QuestionFeatures {
  const data = Float32Array.from({ length: tokens * width }, (_, i) => Math.sin(seed + i));
  return { data, shape: [tokens, width] };
}

describe('pictures in shapes of their own', () => {
  const at = temporaryFolder();

  describe("are PyTorch's rectangles", () => {
    const fixtures = towerFixtures().filter(
      // Of the last the rectangles are in no whole squares of its patches.
      ({ name, cases }) => cases.some(({ name }) => name.endsWith('a rectangle')) && name !== 'qwen2-vl-erf',
    );

    it('of towers of every family', () => {
      expect(fixtures.map(({ name }) => name)).to.include.members([
        'laion',
        'siglip2',
        'dinov3',
        'idefics3',
        'qwen2-vl',
        'qwen3-vl',
        'qwen3-5',
        'blip2',
      ]);
    });

    for (const one of fixtures) {
      it(one.name, async () => {
        for (const entry of one.cases.filter(({ name }) => name.endsWith('a rectangle'))) {
          const { folders, options } = loadingOf(one, entry);
          await using rectangles = await QAViT.load(folders, { ...CPU, ...options });
          const { patch, grid } = rectangles.info;
          const imageSize = { maxPatches: grid.rows * grid.columns };
          await using model = await QAViT.load(folders, { ...CPU, ...options, imageSize });
          const [item] = itemsOf(entry);
          const image = wholePatches(item!.image as RawImage, patch);
          const { data, shape } = await model.encode(image, item!.question, { output: 'tower' });
          expect(shape).to.deep.equal(entry.tower.shape.slice(1));
          expect(relativeError(data, entry.tower.data), entry.name).to.be.below(1e-5);
        }
      });
    }
  });

  describe('of a batch', () => {
    const vit = readTowerFixture(fixture('towers', 'vit'));
    const adapter = vit.cases.find(({ adapter }) => adapter !== null)!.adapter!;
    const folders: ModelFolders = { tower: vit.tower, adapter };
    const shapes = [
      [16, 16],
      [8, 32],
      [32, 8],
      [8, 32],
      [40, 30],
      [7, 90],
    ] as const;
    const pictures = shapes.map(([width, height], i) => noiseImage(width, height, i + 1));
    const question = (tokens: number, seed: number) => features(tokens, 12, seed);
    let model: QAViT;
    before(async () => (model = await QAViT.load(folders, { ...CPU, imageSize: { maxPatches: 16 } })));
    after(() => model.close());

    it('say what they are', async () => {
      expect(model.info).to.deep.include({ image: square(16), maxPatches: 16, M: 17, N: 17 });
      expect(model.info.preprocessing).to.deep.equal({
        resize: { kind: 'most-patches', patch: 4, patches: 16 },
        crop: null,
      });
      const seen = await Promise.all(pictures.map((picture) => model.look(picture)));
      expect(seen.map(({ picture: { width, height } }) => [width, height])).to.deep.equal([
        [16, 16],
        [8, 32],
        [32, 8],
        [8, 32],
        [16, 12],
        [4, 52],
      ]);
      const tokens = await model.encodeBatch(pictures.map((image) => ({ image, question: null })));
      expect(tokens.map(({ shape: [rows] }) => rows)).to.deep.equal([17, 17, 17, 17, 13, 14]);
      const grids = tokens.map(({ grid }) => `${grid?.rows} x ${grid?.columns}`);
      expect(grids).to.deep.equal(['4 x 4', '8 x 2', '2 x 8', '8 x 2', '3 x 4', '13 x 1']);
      for (const one of seen) one.dispose();
    });

    it('are what they were loaded to be, whatever is written into what the model says of them', async () => {
      Object.assign(model.info.preprocessing.resize!, { patches: 1, patch: 2 });
      Object.assign(model.info.image, square(4));
      expect(model.info).to.deep.include({ maxPatches: 16, N: 17, image: square(16) });
      expect((await model.encode(pictures[1]!, null)).grid).to.deep.equal({ rows: 8, columns: 2 });
      await using squares = await QAViT.load(vit.tower, CPU);
      Object.assign(squares.info.preprocessing.resize!, { width: 4 });
      expect((await squares.encode(pictures[1]!, null)).shape[0]).to.equal(squares.info.N);
    });

    it('are each as alone, bit for bit, whatever stands beside them', async () => {
      const items: BatchItem[] = pictures.flatMap((image, i) => [
        { image, question: question(1 + (i % 3), i) },
        { image, question: null },
      ]);
      const together = await model.encodeBatch(items);
      const looked = await model.stages.look(
        await Promise.all(pictures.map((picture) => model.stages.prepare(picture))),
      );
      const onFrom = await model.encodeBatch(
        items.map(({ question }, i) => ({ image: looked[Math.floor(i / 2)]!, question })),
      );
      for (const [i, { image, question }] of items.entries()) {
        const alone = await model.encode(image, question);
        expect(together[i], `items[${i}]`).to.deep.equal(alone);
        expect(onFrom[i], `items[${i}], looked at before`).to.deep.equal(alone);
      }
      expect(new Set(together.map(({ key }) => key)).size).to.equal(items.length);
      for (const one of looked) one.dispose();
    });

    it('are each as alone in many runs, too', async () => {
      const many = Array.from({ length: 300 }, (_, i) => noiseImage(shapes[i % 6]![0], shapes[i % 6]![1], i));
      const tokens = await model.encodeBatch(many.map((image) => ({ image, question: question(2, 1) })));
      for (const i of [0, 1, 2, 150, 298, 299]) {
        expect(tokens[i], `items[${i}]`).to.deep.equal(await model.encode(many[i]!, question(2, 1)));
      }
    });

    it('have keys of their own, also in one colour', async () => {
      const plain = (width: number, height: number): RawImage => {
        return { data: new Uint8Array(width * height * 3), width, height, channels: 3 };
      };
      const [upright, flat] = await model.encodeBatch([
        { image: plain(8, 32), question: null },
        { image: plain(32, 8), question: null },
      ]);
      expect(upright!.data).to.not.deep.equal(flat!.data);
      expect(upright!.key).to.not.equal(flat!.key);
    });

    it('keep their shape, whatever is written into what look() gave', async () => {
      using seen = await model.look(pictures[1]!);
      const wanted = await model.encode(seen, null);
      Object.assign(seen.picture, { width: 32, height: 8 });
      expect(await model.encode(seen, null)).to.deep.equal(wanted);
      expect((await model.attend(seen, question(2, 1))).grid).to.deep.equal({ rows: 8, columns: 2 });
    });

    it('show where a question looks in each', async () => {
      const { grid, difference, layers, picture } = await model.attend(noiseImage(40, 30), question(3, 5));
      expect(grid).to.deep.equal({ rows: 3, columns: 4 });
      expect(picture).to.include({ width: 16, height: 12 });
      expect(difference).to.have.length(13);
      expect(layers[0]!.attention.shape).to.deep.equal([13, 3]);
    });

    it('are looked at only in shapes that the model takes', async () => {
      const look = (width: number, height: number, bytes = width * height * 3) =>
        model.stages.look([{ data: new Uint8Array(bytes), width, height }]);
      const message = /multiples of 4, at most 16 squares of that, for pictures\[0\] of stages\.look .* received/;
      for (const [width, height] of [
        [16, 15],
        [20, 16],
        [0, 16],
        [-16, -16],
        [1.5, 4],
      ] as const) {
        await expectRejection(look(width, height, 48), 'ERR_SHAPE', message);
      }
      await expectRejection(look(8, 32, 10), 'ERR_SHAPE', /RGB of 8 x 32 pixels/);
      const tiles = { rows: 1, columns: 1, data: new Uint8Array(8 * 8 * 3) };
      const cut = { data: new Uint8Array(8 * 8 * 3), width: 8, height: 8, tiles };
      await expectRejection(model.stages.look([cut]), 'ERR_ARGUMENT', /none, .* for tiles of pictures\[0\]/);
    });
  });

  it('are handed over with fewer tokens where a picture has no more', async () => {
    const five = readTowerFixture(fixture('towers', 'five-layers'));
    const { adapter } = five.cases.find(({ adapter }) => adapter?.endsWith('selecting'))!;
    const imageSize = { maxPatches: 16 };
    await using model = await QAViT.load({ tower: five.tower, adapter: adapter! }, { ...CPU, imageSize });
    expect(model.info).to.include({ allTokens: 16 });
    const { shape, kept } = await model.encode(noiseImage(40, 30), null, { visualTokens: 16 });
    expect([shape[0], kept?.length]).to.deep.equal([12, 12]);
  });

  describe('are what NaFlex towers take unless told otherwise', () => {
    it('in as many patches as the preprocessor says', async () => {
      await using model = await QAViT.load(tower('siglip2'), CPU);
      expect(model.info).to.deep.include({
        family: 'SigLIP 2',
        image: square(24),
        trainedImage: square(16),
        maxPatches: 36,
        M: 36,
        N: 36,
      });
      const { shape } = await model.encode(noiseImage(200, 30), null);
      expect(shape).to.deep.equal([28, 16]);
      await using fewer = await QAViT.load(tower('siglip2'), { ...CPU, imageSize: { maxPatches: 16 } });
      expect(fewer.info).to.deep.include({ image: square(16), maxPatches: 16, M: 16 });
      await using uneven = await QAViT.load(tower('siglip2'), { ...CPU, imageSize: { maxPatches: 19 } });
      expect(uneven.info).to.deep.include({ image: square(16), grid: { rows: 4, columns: 4 }, M: 19, N: 19 });
      await using squares = await QAViT.load(tower('siglip2'), { ...CPU, imageSize: 20 });
      expect(squares.info).to.deep.include({ image: square(20), maxPatches: null, M: 25 });
      expect(squares.info.preprocessing.resize).to.deep.equal({ kind: 'exact', width: 20, height: 20 });
    });

    it('and refuse patches that are not the tower’s', async () => {
      const other = changedTower('siglip2', at('tower'), { preprocessor: { patch_size: 8 } });
      const message = /4, as of .*config\.json, for patch_size of .*preprocessor_config\.json but received 8/;
      await expectRejection(QAViT.load(other, CPU), 'ERR_FORMAT', message);
      for (const max_num_patches of [0, 1.5, '36', 2 ** 40]) {
        const odd = changedTower('siglip2', at('tower'), { preprocessor: { max_num_patches } });
        await expectRejection(QAViT.load(odd, CPU), 'ERR_FORMAT', /an integer from 1 to 2147483648 for max_num_pat/);
      }
      const asIs = changedTower('siglip2', at('tower'), { preprocessor: { do_resize: false } });
      await expectRejection(QAViT.load(asIs, CPU), 'ERR_UNSUPPORTED', /true for do_resize of .*preprocessor_config/);
      const huge = changedTower('siglip2', at('tower'), { preprocessor: { max_num_patches: 2 ** 31 } });
      const tooMany = /at most 268435456 numbers in all for .*preprocessor_config\.json but/;
      await expectRejection(QAViT.load(huge, CPU), 'ERR_UNSUPPORTED', tooMany);
    });
  });

  describe('go through a vision-language model’s projector', () => {
    // Columns and rows of patches.
    const cases: Record<string, [folder: string, columns: number, rows: number, adapter?: string]> = {
      'rows of patches': [llavaFolder('siglip-qwen'), 5, 3],
      'rows of patches, without a class token': [llavaFolder('clip-llama'), 2, 6],
      'squares side by side': [mergingFolder('smolvlm'), 8, 4],
      'squares side by side, behind a class token': [mergingFolder('internvl'), 4, 10],
      'squares, in a tower that hears the question': [mergingFolder('smolvlm'), 10, 4, mergingAdapter('smolvlm')],
      'one line': [linedFolder('llava-next'), 5, 2],
      'means of squares': [twoWayFolder('gemma3'), 8, 4],
    };
    for (const [what, [folder, columns, rows, adapter]] of Object.entries(cases)) {
      it(what, async () => {
        const load = (imageSize?: LoadOptions['imageSize']) =>
          QAViT.load({ tower: folder, adapter }, { ...CPU, imageSize });
        await using squares = await load();
        const { patch } = squares.info;
        const size = { width: columns * patch, height: rows * patch };
        await using rectangles = await load(size);
        await using model = await load({ maxPatches: rows * columns });
        const picture = noiseImage(size.width, size.height);
        const question = adapter === undefined ? null : features(2, 32);
        const [wanted, found] = await Promise.all([rectangles, model].map((each) => each.encode(picture, question)));
        expect(found!.shape).to.deep.equal([rectangles.info.N, model.info.E]);
        expect(found!.data).to.deep.equal(wanted!.data);
      });
    }

    it('in whole squares', async () => {
      await using model = await QAViT.load(
        { tower: mergingFolder('smolvlm') },
        { ...CPU, imageSize: { maxPatches: 35 } },
      );
      const { patch, maxPatches, grid, N } = model.info;
      expect({ patch, maxPatches, grid, N }).to.deep.equal({
        patch: 4,
        maxPatches: 32,
        grid: { rows: 4, columns: 4 },
        N: 8,
      });
      const { shape } = await model.encode(noiseImage(90, 30), null);
      expect(shape[0]).to.equal(8);
      const none = QAViT.load({ tower: mergingFolder('smolvlm') }, { ...CPU, imageSize: { maxPatches: 3 } });
      await expectRejection(none, 'ERR_ARGUMENT', /at least 4 for option maxPatches of imageSize but received 3/);
    });

    it('and are answered about', async () => {
      const answerOf = async (imageSize: LoadOptions['imageSize']): Promise<string> => {
        await using model = await QAViT.load(mergingFolder('smolvlm'), { ...CPU, imageSize });
        let text = '';
        for await (const piece of model.ask(noiseImage(40, 16), 'what is this', { maxNewTokens: 8 })) text += piece;
        return text;
      };
      const own = await answerOf({ maxPatches: 40 });
      expect(own).to.equal(await answerOf({ width: 40, height: 16 }));
      expect(own).to.not.equal('');
    });
  });

  describe('are refused', () => {
    const refuse = (imageSize: unknown, message: RegExp) =>
      expectRejection(QAViT.load(tower('vit'), { ...CPU, imageSize } as LoadOptions), 'ERR_ARGUMENT', message);

    it('without a number of patches that makes sense', async () => {
      const message = /\{ maxPatches \} of at least 1 for option imageSize/;
      for (const maxPatches of [0, -1, 1.5, '16', NaN, 2 ** 32, null]) await refuse({ maxPatches }, message);
      await refuse({ maxPatches: 16, width: 8 }, message);
    });

    it('with tiles', async () => {
      const options = { ...CPU, tiles: 4, imageSize: { maxPatches: 36 } };
      const message = /tiles are squares, and these pictures are not/;
      await expectRejection(QAViT.load({ tower: mergingFolder('smolvlm') }, options), 'ERR_UNSUPPORTED', message);
    });

    it('with more patches than any array holds', async () => {
      const loading = QAViT.load(tower('vit'), { ...CPU, imageSize: { maxPatches: 2 ** 31 } });
      const message = /at most 268435456 numbers in all for option maxPatches of imageSize but/;
      await expectRejection(loading, 'ERR_UNSUPPORTED', message);
    });

    it('where a preprocessor resizes nothing', async () => {
      const folder = changedTower('vit', at('tower'), { preprocessor: { do_resize: false } });
      const loading = QAViT.load(folder, { ...CPU, imageSize: { maxPatches: 16 } });
      await expectRejection(loading, 'ERR_UNSUPPORTED', /true for do_resize of the preprocessing/);
    });
  });

  for (const name of ['siglip2', 'laion']) {
    it(`are seen as the model was loaded, whatever becomes of its file: ${name}`, async () => {
      const folder = changedTower(name, at('tower'), {});
      const file = path.join(folder, 'model.safetensors');
      await using model = await QAViT.load(folder, { ...CPU, imageSize: { maxPatches: 12 } });
      await using untouched = await QAViT.load(tower(name), { ...CPU, imageSize: { maxPatches: 12 } });
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.fill(0, 8 + Number(bytes.readBigUInt64LE())));
      const wide = noiseImage(80, 20);
      expect(await model.encode(wide, null)).to.deep.equal(await untouched.encode(wide, null));
      truncateSync(file, 100);
      const high = noiseImage(20, 80);
      expect(await model.encode(high, null)).to.deep.equal(await untouched.encode(high, null));
    });
  }

  it('come in more sizes than there is room for tables', async () => {
    const vision = await openVision({ tower: tower('dinov3') }, { imageSize: { maxPatches: 25 } });
    const never = new AbortController().signal;
    const sizes = [1, 2, 3, 4, 5, 6, 7, 8].map((columns) => ({ width: 4 * columns, height: 12 }));
    const plain = async (engine: Engine, size: Size): Promise<Float32Array> => {
      const { data: pixels } = noiseImage(size.width, size.height);
      const { tokens } = await engine.encode({ pixels, images: 1, index: [0], size }, undefined, 'tower', never);
      return tokens[0]!;
    };
    const engine = (device: Device, keptTables?: number) =>
      new Engine(device, vision.model, choosePrecision(device, 'f32'), keptTables);
    const [roomy, scarce] = [openDevice('cpu'), openDevice('cpu')];
    try {
      const all = engine(roomy);
      await all.prepare();
      const before = roomy.memory.weightBytes;
      const wanted = await Promise.all(sizes.map((size) => plain(all, size)));
      expect(roomy.memory.weightBytes - before).to.be.above(4 * MOST_TABLES);

      // At once, so that tables make room while others wait to be used; and again, when they have.
      const few = engine(scarce, MOST_TABLES);
      await few.prepare();
      for (const turn of [1, 2]) {
        const found = await Promise.all(sizes.map((size) => plain(few, size)));
        expect(found, `turn ${turn}`).to.deep.equal(wanted);
      }
      // Plans that were forgotten keep theirs until they are collected.
      for (let i = 0; i < 20 && scarce.memory.weightBytes > before + 2 * MOST_TABLES; i += 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        collect();
      }
      expect(scarce.memory.weightBytes).to.be.within(before, before + 2 * MOST_TABLES);
    } finally {
      await Promise.all([roomy.close(), scarce.close()]);
      vision.close();
    }
  });
});
