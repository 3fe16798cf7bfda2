import { expect } from 'chai';
import { cpSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import type { JsonObject } from '../../lib/json-file';
import { LLAVA_NEXT, LLAVA_ONEVISION } from '../../lib/models/vision-language/llava-next';
import { inLines } from '../../lib/qavit/lines';
import { noiseImage } from '../image/support';
import { changeTensors } from '../support/changed-tower';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { LanguageHalf } from '../support/language-half';
import { fixture } from '../support/paths';
import { f32 } from '../support/safetensors-writer';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import {
  copyLined,
  expectedLined,
  LINED,
  type LinedName,
  linedAdapter,
  linedFolder,
  linedTensors,
  tiledLines,
  saidBy,
} from '../support/vision-language';

const F32 = { device: 'cpu', dtype: 'f32' } as const;
const AUTO = { ...F32, tiles: 'auto' } as const;
const WITHIN = { f32: 1e-5, bf16: 3e-2, int8: 1e-1 } as const;
const NEXT = linedFolder('llava-next');
const FUSED = { tower: NEXT, adapter: linedAdapter, language: NEXT };

interface LineCase {
  picture: [number, number];
  grid: [number, number];
  side: number;
  most: number | null;
  rows: number[];
}

function configOf(name: LinedName): JsonObject {
  return JSON.parse(readFileSync(path.join(linedFolder(name), 'config.json'), 'utf8')) as JsonObject;
}

describe('rows laid out in lines', () => {
  it("lie in transformers' places, borders and pictures of too many tiles among them", async () => {
    const cases = JSON.parse(readFileSync(fixture('llava_next', 'lines.json'), 'utf8')) as LineCase[];
    expect(cases.length).to.equal(254);
    for (const { picture, grid, side, most, rows: wanted } of cases) {
      const [width, height] = picture;
      const [rows, columns] = grid;
      const view = (i: number) => Float32Array.from({ length: side * side }, (_, k) => i * side * side + k);
      // There the whole comes first.
      const views = [...Array.from({ length: rows * columns }, (_, i) => view(i + 1)), view(0)];
      const lines = { newline: Float32Array.of(-1), ...(most !== null && { mostTiles: most }) };
      const made = await inLines(views, { rows, columns, picture: { width, height } }, lines);
      const what = JSON.stringify({ picture, grid, side, most });
      expect(made.length, what).to.equal(wanted.length);
      made.forEach((number, i) => expect(number, what).to.be.closeTo(wanted[i]!, 1e-4));
    }
  });

  it('keep one line or column of a picture that scaling down would leave none of', async () => {
    const lines = { newline: Float32Array.of(-1), mostTiles: 1 };
    const made = async (side: number, rows: number, columns: number, [width, height]: [number, number]) => {
      const ones = () => new Float32Array(side * side).fill(1);
      const views = Array.from({ length: rows * columns + 1 }, ones);
      return [...(await inLines(views, { rows, columns, picture: { width, height } }, lines))].slice(side * side);
    };
    const newlines = (count: number) => Array.from({ length: count }, () => [1, -1]).flat();
    // 180 rows where there may be 81: each edge shrinks by sqrt(180 / 81) = 1.49.
    expect(await made(9, 20, 1, [1, 1963])).to.deep.equal(newlines(120));
    expect(await made(9, 1, 20, [1963, 1])).to.deep.equal([...new Array<number>(120).fill(1), -1]);
    // Tiles of one patch each, and by sqrt(20 / 1) = 4.47.
    expect(await made(1, 20, 1, [10, 200])).to.deep.equal(newlines(4));
  });

  it('let other work have its turn while there are many', async () => {
    const [side, width] = [9, 40_000];
    const views = Array.from({ length: 5 }, () => new Float32Array(side * side * width));
    const lines = { newline: new Float32Array(width) };
    let turns = 0;
    let isMaking = true;
    const next = (): void => {
      turns++;
      if (isMaking) setImmediate(next);
    };
    setImmediate(next);
    const made = await inLines(views, { rows: 2, columns: 2, picture: { width: 8, height: 8 } }, lines);
    isMaking = false;
    expect(made.length).to.equal((side * side + 18 * 19) * width);
    // 18 lines of 720,000 numbers, with a pause after every second.
    expect(turns).to.be.at.least(8);
  });

  it('are of the tower and the state that their classes assume where config.json says nothing', () => {
    const projector = {
      name: 'multi_modal_projector',
      maps: ['linear_1', 'linear_2'],
      bias: true,
      activation: 'gelu_erf',
      lines: { newline: 'image_newline' },
    };
    const clip = { hidden_size: 1024, intermediate_size: 4096, num_hidden_layers: 24, image_size: 336, patch_size: 14 };
    const so400m = {
      hidden_size: 1152,
      intermediate_size: 4304,
      num_hidden_layers: 26,
      image_size: 384,
      patch_size: 14,
    };
    expect(LLAVA_NEXT.describeVision({}, 'config.json')).to.deep.equal({
      tower: { ...clip, model_type: 'clip_vision_model', num_attention_heads: 16 },
      hiddenLayer: -2,
      keepClass: false,
      projector,
    });
    expect(LLAVA_ONEVISION.describeVision({}, 'config.json')).to.deep.equal({
      tower: { ...so400m, model_type: 'siglip_vision_model', num_attention_heads: 16 },
      hiddenLayer: -1,
      keepClass: true,
      projector: { ...projector, lines: { newline: 'image_newline', mostTiles: 9 } },
    });
    expect(LLAVA_NEXT.language).to.include({ model: 'llama', imageToken: 32000 });
    expect(LLAVA_ONEVISION.language).to.include({ model: 'qwen2', imageToken: 151646 });
  });

  const at = temporaryFolder();
  const known = {
    'llava-next': { visionLanguage: 'LLaVA-NeXT', family: 'CLIP', image: square(24), M: 37, N: 37, C: 24, L: 4 },
    onevision: { visionLanguage: 'LLaVA-OneVision', family: 'SigLIP', image: square(20), M: 25, N: 26, C: 16, L: 2 },
  };
  const grids = { 'llava-next': { rows: 2, columns: 2 }, onevision: { rows: 3, columns: 3 } };

  for (const name of LINED) {
    describe(name, () => {
      const expected = expectedLined(name);
      const pictures = {
        'a whole picture': { tiles: 0, ...linedTensors(name), answers: expected.answers },
        'a picture in tiles': { tiles: 'auto', ...tiledLines(name), answers: expected.tiled.answers },
      } as const;

      it('knows itself', async () => {
        await using model = await QAViT.load(linedFolder(name), AUTO);
        const { image } = known[name];
        expect(model.info).to.deep.include({ ...known[name], E: 32, tiles: name === 'onevision' ? 9 : 4 });
        expect(model.info.preprocessing).to.deep.equal({
          resize: { kind: 'exact', ...image },
          crop: null,
        });
      });

      for (const [what, { tiles, picture, projected, answers }] of Object.entries(pictures)) {
        for (const [dtype, within] of Object.entries(WITHIN) as ['f32', number][]) {
          it(`projects transformers' visual tokens of ${what} in ${dtype}`, async () => {
            await using model = await QAViT.load({ tower: linedFolder(name) }, { device: 'cpu', dtype, tiles });
            const { data, shape, tiles: cut } = await model.encode(picture, null);
            expect(shape).to.deep.equal(projected.shape.slice(-2));
            expect(relativeError(data, projected.data)).to.be.below(within);
            expect(cut).to.deep.equal(tiles === 0 ? undefined : grids[name]);
          });
        }

        it(`asks about ${what} in transformers' tokens, and says its answers`, async () => {
          await using model = await QAViT.load(linedFolder(name), { ...F32, tiles });
          const half = await LanguageHalf.open(linedFolder(name));
          try {
            expect(answers.length).to.be.above(1);
            const tokens = await model.encode(picture, null);
            for (const asked of answers) {
              expect(await half.prompted(asked, tokens.tiles)).to.deep.equal(asked.ids);
              expect(await half.greedy(tokens, asked)).to.deep.equal(asked.tokens);
              expect(await saidBy(model, picture, asked)).to.equal(asked.text);
            }
          } finally {
            await half.close();
          }
        });
      }
    });
  }

  describe('under questions', () => {
    const expected = expectedLined('llava-next');
    for (const [what, tiles, { picture }, fused] of [
      ['a whole picture', 0, linedTensors('llava-next'), expected.fused],
      ['a picture in tiles', 'auto', tiledLines('llava-next'), expected.tiled.fused],
    ] as const) {
      it(`answer about ${what} as PyTorch does, token for token`, async () => {
        await using model = await QAViT.load(FUSED, { ...F32, tiles });
        const half = await LanguageHalf.open(NEXT);
        try {
          expect(fused.length).to.be.above(1);
          for (const asked of fused) {
            const tokens = await model.encode(picture, asked.question);
            expect(await half.greedy(tokens, asked)).to.deep.equal(asked.tokens);
            expect(await saidBy(model, picture, asked)).to.equal(asked.text);
          }
        } finally {
          await half.close();
        }
      });
    }

    it('are the same alone, in a batch, looked at before, and through the stages of servers', async () => {
      await using model = await QAViT.load(FUSED, AUTO);
      const images = [noiseImage(70, 49), noiseImage(24, 24), noiseImage(13, 90), noiseImage(400, 3)];
      const pairs = images.flatMap((image) => ['what is on the left?', null].map((question) => ({ image, question })));
      const alone = [];
      for (const { image, question } of pairs) alone.push(await model.encode(image, question));
      expect(new Set(alone.map(({ shape: [rows] }) => rows)).size).to.be.above(2);
      expect(await model.encodeBatch(pairs)).to.deep.equal(alone);
      const prepared = await Promise.all(images.map((image) => model.stages.prepare(image)));
      for (const looked of [
        await Promise.all(images.map((image) => model.look(image))),
        await model.stages.look(prepared),
      ]) {
        const seen = pairs.map(({ image, question }) => ({ image: looked[images.indexOf(image)]!, question }));
        expect(await model.encodeBatch(seen)).to.deep.equal(alone);
        looked.forEach((each) => each.dispose());
      }
    });

    it('are told apart by the size of the picture, which borders follow from', async () => {
      await using model = await QAViT.load({ tower: NEXT }, AUTO);
      const black = (width: number, height: number) => ({
        data: new Uint8Array(width * height * 3),
        width,
        height,
        channels: 3 as const,
      });
      const [wide, wider] = [await model.encode(black(60, 48), null), await model.encode(black(60, 40), null)];
      expect(wide.tiles).to.deep.equal(wider.tiles);
      expect(wide.shape).to.not.deep.equal(wider.shape);
      expect(wide.key).to.not.equal(wider.key);
    });
  });

  it('are attended to as a whole, patch by patch', async () => {
    await using model = await QAViT.load(FUSED, AUTO);
    const { picture } = tiledLines('llava-next');
    const { grid, difference, picture: seen } = await model.attend(picture, 'what is on the left?');
    expect(grid).to.deep.equal({ rows: 6, columns: 6 });
    expect(difference).to.have.length(37);
    expect(seen.tiles).to.deep.include({ rows: 2, columns: 2, picture: { width: 70, height: 49 } });
  });

  it('are rows of views without newlines as the tower hands them over', async () => {
    await using model = await QAViT.load({ tower: NEXT }, AUTO);
    const { picture } = tiledLines('llava-next');
    const { shape } = await model.encode(picture, null, { output: 'tower' });
    expect(shape).to.deep.equal([5 * 36, 24]);
  });

  it('are of as many tiles as wanted, where a grid has so few', async () => {
    await using model = await QAViT.load({ tower: NEXT }, { ...F32, tiles: 3 });
    expect(model.info.tiles).to.equal(3);
    expect((await model.encode(noiseImage(70, 49), null)).tiles).to.deep.equal({ rows: 1, columns: 2 });
    await using one = await QAViT.load({ tower: NEXT }, { ...F32, tiles: 1 });
    const whole = await one.encode(noiseImage(70, 49), null);
    expect(whole).to.not.have.property('tiles');
    await using onevision = await QAViT.load({ tower: linedFolder('onevision') }, { ...F32, tiles: 1 });
    const alone = await onevision.encode(noiseImage(20, 20), null);
    expect(alone.tiles).to.deep.equal({ rows: 1, columns: 1 });
    expect(alone.shape).to.deep.equal([25 + 25 + 5, 32]);
  });

  it('grow with the size of the pictures', async () => {
    await using model = await QAViT.load({ tower: NEXT }, { ...AUTO, imageSize: 32 });
    expect(model.info).to.deep.include({ image: square(32), N: 65 });
    const { shape, tiles } = await model.encode(noiseImage(64, 64), null);
    expect(tiles).to.deep.equal({ rows: 2, columns: 2 });
    expect(shape).to.deep.equal([64 + 16 * 17, 32]);
  });

  describe('are refused', () => {
    const load = async (folder: string, options = {}) => (await QAViT.load(folder, { ...F32, ...options })).close();

    it('with the class token among them', async () => {
      const message = /patches alone for a projector whose rows are laid out in lines but received the class token too/;
      await expectRejection(load(NEXT, { keepClass: true }), 'ERR_UNSUPPORTED', message);
      const full = copyLined('llava-next', at('full'), { 'config.json': { vision_feature_select_strategy: 'full' } });
      await expectRejection(load(full), 'ERR_UNSUPPORTED', message);
    });

    it('with an adapter that selects tokens', async () => {
      const adapter = at('selects');
      cpSync(linedAdapter, adapter, { recursive: true });
      changeTensors(adapter, (all) => (all['token_selector.weight'] = f32([1, 24], new Float32Array(24))));
      const message = /without token_selector.* for a projector whose rows are laid out in lines but received one with/;
      await expectRejection(QAViT.load({ ...FUSED, adapter }, F32), 'ERR_UNSUPPORTED', message);
    });

    it('where nothing says how many tiles there may be', async () => {
      for (const vision_aspect_ratio of ['anyres', 'anyres_max_0', 'pad', 9, 'anyres_max_9 ']) {
        const folder = copyLined('onevision', at('ratio'), { 'config.json': { vision_aspect_ratio } });
        const message = /"anyres_max_9" or another number for vision_aspect_ratio of .*config\.json/;
        await expectRejection(load(folder), 'ERR_UNSUPPORTED', message);
      }
      await load(copyLined('onevision', at('silent'), { 'config.json': { vision_aspect_ratio: undefined } }));
    });

    it('with a tower that is no object, where only a silent one is SigLIP', async () => {
      const message = /an object for vision_config of .*config\.json but received/;
      for (const vision_config of [[], [{}], 'siglip', 3]) {
        const folder = copyLined('onevision', at('tower'), { 'config.json': { vision_config } });
        await expectRejection(load(folder), 'ERR_FORMAT', message);
      }
      const { vision_config: own } = configOf('onevision');
      const silent = { 'config.json': { vision_config: { ...(own as object), model_type: null } } };
      await load(copyLined('onevision', at('tower'), silent));
    });

    it('without their newline, or with one of another width', async () => {
      const folder = copyLined('llava-next', at('newline'));
      changeTensors(folder, (all) => delete all.image_newline);
      const missing = /tensor image_newline \[32\] for .* but received none/;
      await expectRejection(load(folder), 'ERR_FORMAT', missing);
      changeTensors(folder, (all) => (all.image_newline = f32([31], new Float32Array(31))));
      await expectRejection(load(folder), 'ERR_SHAPE', /\[32\] for tensor image_newline of .* but received \[31\]/);
    });

    it('as stages are given them, unless the picture has a size', async () => {
      await using model = await QAViT.load({ tower: NEXT }, AUTO);
      const prepared = await model.stages.prepare(noiseImage(70, 49));
      expect(prepared.tiles?.picture).to.deep.equal({ width: 70, height: 49 });
      for (const picture of [undefined, null, 3, {}, { width: 0, height: 4 }, { width: 4, height: 1.5 }]) {
        const tiles = { ...prepared.tiles!, picture: picture as { width: number; height: number } };
        const message = /\{ width, height \} in pixels for picture of tiles of pictures\[0\] of stages\.look/;
        await expectRejection(model.stages.look([{ ...prepared, tiles }]), 'ERR_ARGUMENT', message);
      }
    });
  });

  it('come of tensors by their newer names', async () => {
    const { picture, projected } = linedTensors('llava-next');
    const folder = copyLined('llava-next', at('newer'));
    changeTensors(folder, (all) => {
      for (const [name, tensor] of Object.entries(all)) {
        delete all[name];
        all[`model.${name}`] = tensor;
      }
    });
    await using model = await QAViT.load({ tower: folder }, F32);
    expect(relativeError((await model.encode(picture, null)).data, projected.data)).to.be.below(1e-5);
  });
});
