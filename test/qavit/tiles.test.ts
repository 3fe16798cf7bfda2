import { expect } from 'chai';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type LoadOptions, type ModelFolders, QAViT, type RawImage, type VisualTokens } from '../../lib';
import { Engine } from '../../lib/qavit/engine';
import { parsePreprocessorConfig, withTiles } from '../../lib/image';
import { resolveLimits } from '../../lib/image/limits';
import { BatchPictures } from '../../lib/qavit/batch-pictures';
import { noiseImage } from '../image/support';
import { changedTower } from '../support/changed-tower';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { LanguageHalf } from '../support/language-half';
import { square } from '../support/square';
import { temporaryFolder } from '../support/temporary';
import { fixture } from '../support/paths';
import {
  copyMerging,
  expectedMerging,
  llavaFolder,
  mergingAdapter,
  mergingFolder,
  type MergingName,
  MERGING,
  mergingTensors,
  tiledTensors,
  saidBy,
} from '../support/vision-language';

const F32 = { device: 'cpu', dtype: 'f32' } as const;
const AUTO = { ...F32, tiles: 'auto' } as const;
/** What a picture of 70 x 49 pixels is cut into. */
const GRIDS = {
  smolvlm: { rows: 2, columns: 2 },
  idefics3: { rows: 2, columns: 2 },
  internvl: { rows: 2, columns: 3 },
} as const;

/** A square of a picture. */
function squareOf({ data, width }: RawImage, left: number, top: number, side: number): RawImage {
  const rows = Array.from({ length: side }, (_, y) => {
    const start = ((top + y) * width + left) * 3;
    return data.subarray(start, start + side * 3);
  });
  return { data: Buffer.concat(rows), width: side, height: side, channels: 3 };
}

describe('pictures in tiles', () => {
  const at = temporaryFolder();

  /** With a long edge of twice a tile's, as the expected values have it. */
  function folderOf(name: MergingName): string {
    if (name === 'internvl') return mergingFolder(name);
    return copyMerging(name, at(name), { 'preprocessor_config.json': { size: { longest_edge: 48 } } });
  }

  function fusedFolders(name: MergingName): ModelFolders {
    return { tower: folderOf(name), adapter: mergingAdapter(name), language: mergingFolder(name) };
  }

  for (const name of MERGING) {
    describe(name, () => {
      const { picture, projected } = tiledTensors(name);
      const { answers } = expectedMerging(name).tiled;
      const [views = 0, rows = 0, width = 0] = projected.shape;
      let model: QAViT;
      before(async () => {
        model = await QAViT.load(folderOf(name), AUTO);
      });
      after(() => model.close());

      it('are as many as the processor makes', async () => {
        expect(model.info).to.include({ tiles: name === 'internvl' ? 12 : 4, N: rows });
        const { tiles, shape } = await model.encode(picture, null);
        expect(tiles).to.deep.equal(GRIDS[name]);
        expect(shape).to.deep.equal([views * rows, width]);
      });

      for (const [dtype, within] of [
        ['f32', 1e-5],
        ['bf16', 3e-2],
      ] as const) {
        it(`have transformers' visual tokens in ${dtype}`, async () => {
          await using same = await QAViT.load({ tower: folderOf(name) }, { ...AUTO, dtype });
          const { data } = await same.encode(picture, null);
          expect(relativeError(data, projected.data)).to.be.below(within);
        });
      }

      it("are asked about in transformers' tokens, and its answers said", async () => {
        const half = await LanguageHalf.open(folderOf(name));
        try {
          const tokens = await model.encode(picture, null);
          expect(answers.length).to.equal(2);
          for (const asked of answers) {
            expect(await half.prompted(asked, tokens.tiles)).to.deep.equal(asked.ids);
            expect(await half.greedy(tokens, asked)).to.deep.equal(asked.tokens);
            expect(await saidBy(model, picture, asked)).to.equal(asked.text);
          }
        } finally {
          await half.close();
        }
      });

      it('are none of a picture that is not cut', async () => {
        const { picture: small, projected: wanted } = mergingTensors(name);
        await using never = await QAViT.load(folderOf(name), F32);
        expect(never.info.tiles).to.equal(0);
        const whole = await never.encode(picture, null);
        expect(whole.shape).to.deep.equal([rows, width]);
        expect(whole).to.not.have.property('tiles');
        if (name !== 'internvl') return;
        const uncut = await model.encode(small, null);
        expect(uncut).to.not.have.property('tiles');
        expect(relativeError(uncut.data, wanted.data)).to.be.below(1e-5);
        expect(uncut).to.deep.equal(await never.encode(small, null));
      });
    });
  }

  it('are never one, which would be the whole', async () => {
    // The fixture's long edge is a tile's own.
    for (const [name, tiles] of [
      ['smolvlm', 'auto'],
      ['internvl', 1],
    ] as const) {
      await using model = await QAViT.load({ tower: mergingFolder(name) }, { ...F32, tiles });
      expect(model.info.tiles).to.equal(0);
      expect(await model.encode(noiseImage(70, 49), null)).to.not.have.property('tiles');
    }
  });

  it('are seen as pictures of their own', async () => {
    // Of a size that is cut without being resized.
    const canvas = noiseImage(72, 48);
    await using model = await QAViT.load({ tower: mergingFolder('internvl') }, AUTO);
    await using plain = await QAViT.load({ tower: mergingFolder('internvl') }, F32);
    const { data, tiles } = await model.encode(canvas, null);
    expect(tiles).to.deep.equal({ rows: 2, columns: 3 });
    const places = [0, 1].flatMap((row) => [0, 1, 2].map((column) => squareOf(canvas, column * 24, row * 24, 24)));
    const views = await plain.encodeBatch([...places, canvas].map((image) => ({ image, question: null })));
    const together = views.flatMap((view) => [...view.data]);
    expect([...data]).to.deep.equal(together);
  });

  it('leave no pixels behind in a batch, but how they were cut', async () => {
    const json: unknown = JSON.parse(
      readFileSync(path.join(mergingFolder('internvl'), 'preprocessor_config.json'), 'utf8'),
    );
    const preprocessor = withTiles(parsePreprocessorConfig(json, 'preprocessor_config.json'), 'auto');
    const context = {
      engine: { model: { image: square(24) } },
      preprocessor,
      limits: resolveLimits(undefined, 'limits'),
    };
    const { signal } = new AbortController();
    const batch = new BatchPictures(context as never, [noiseImage(72, 48)], (error) => error, signal);
    const [prepared] = await batch.prepare([0]);
    expect(prepared?.tiles?.data).to.have.length(6 * 24 * 24 * 3);
    expect(batch.grid(0)).to.have.all.keys('rows', 'columns', 'picture');
  });

  describe('under questions', () => {
    for (const name of ['smolvlm', 'internvl'] as const) {
      it(`answer as PyTorch does, token for token: ${name}`, async () => {
        const { picture } = tiledTensors(name);
        const { fused } = expectedMerging(name).tiled;
        await using model = await QAViT.load(fusedFolders(name), AUTO);
        const half = await LanguageHalf.open(folderOf(name));
        try {
          expect(fused.length).to.equal(2);
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

    const questions = ['what is on the left?', 'how many are there?', null];
    const { picture } = tiledTensors('smolvlm');
    const pictures = [picture, noiseImage(31, 57), noiseImage(200, 20), mergingTensors('smolvlm').picture];

    async function opened(use: (model: QAViT) => Promise<void>): Promise<void> {
      await using model = await QAViT.load(fusedFolders('smolvlm'), AUTO);
      await use(model);
    }

    it('are the same alone, in a batch, and looked at before', () =>
      opened(async (model) => {
        const pairs = pictures.flatMap((image) => questions.map((question) => ({ image, question })));
        const alone: VisualTokens[] = [];
        for (const { image, question } of pairs) alone.push(await model.encode(image, question));
        expect(new Set(alone.map(({ tiles }) => JSON.stringify(tiles))).size).to.be.above(1);
        expect(new Set(alone.map(({ key }) => key)).size).to.equal(pairs.length);
        expect(await model.encodeBatch(pairs)).to.deep.equal(alone);
        const { tensorBytes: before } = model.info.memory;
        const looked = new Map(
          await Promise.all(pictures.map(async (image) => [image, await model.look(image)] as const)),
        );
        const seen = pairs.map(({ image, question }) => ({ image: looked.get(image)!, question }));
        expect(await model.encodeBatch(seen)).to.deep.equal(alone);
        expect(await Promise.all(seen.map(({ image, question }) => model.encode(image, question)))).to.deep.equal(
          alone,
        );
        const [first] = looked.values();
        const bytes = first!.bytes;
        // A stream a tile, and the whole's.
        expect(bytes).to.equal(5 * 36 * 16 * 4);
        for (const each of looked.values()) each.dispose();
        expect(first!.bytes).to.equal(0);
        expect(model.info.memory.tensorBytes).to.equal(before);
      }));

    it('go through the stages of servers', () =>
      opened(async (model) => {
        const prepared = await model.stages.prepare(picture);
        expect(prepared.tiles).to.include({ rows: 2, columns: 2 });
        const [seen] = await model.stages.look([prepared]);
        const [question] = questions;
        expect(await model.encode(seen!, question!)).to.deep.equal(await model.encode(picture, question!));
      }));

    it('are attended to as a whole', () =>
      opened(async (model) => {
        const [question] = questions;
        const maps = await model.attend(picture, question!);
        expect(maps.grid).to.deep.equal({ rows: 6, columns: 6 });
        const { tiles, ...whole } = maps.picture;
        expect(tiles).to.include({ rows: 2, columns: 2 });
        const [seen] = await model.stages.look([whole]);
        expect(await model.attend(seen!, question!)).to.deep.equal({ ...maps, picture: whole });
      }));

    it('are not looked at where only the whole is attended to', () =>
      opened(async (model) => {
        const own = Object.getOwnPropertyDescriptor(Engine.prototype, 'look')!;
        const look = own.value as Engine['look'];
        const looked: number[] = [];
        const value = function (this: Engine, ...given: Parameters<Engine['look']>) {
          looked.push(given[1]);
          return look.apply(this, given);
        };
        Object.defineProperty(Engine.prototype, 'look', { ...own, value });
        try {
          await model.attend(picture, questions[0]!);
        } finally {
          Object.defineProperty(Engine.prototype, 'look', own);
        }
        expect(looked).to.deep.equal([1]);
      }));
  });

  describe('are refused', () => {
    const load = async (folders: ModelFolders | string, options: LoadOptions) =>
      (await QAViT.load(folders, options)).close();

    it('of other numbers', async () => {
      for (const tiles of [-1, 101, 1.5, 'all'] as unknown as number[]) {
        const message = /an integer from 0 to 100 or one of auto for option tiles of QAViT\.load/;
        await expectRejection(load(mergingFolder('smolvlm'), { ...F32, tiles }), 'ERR_ARGUMENT', message);
      }
    });

    it('where a processor makes none, unless none are wanted', async () => {
      const tower = { tower: llavaFolder('clip-llama') };
      const message = /^Expected 0 \(this model cuts no pictures into tiles\) for option tiles but received 4$/;
      await expectRejection(load(tower, { ...F32, tiles: 4 }), 'ERR_UNSUPPORTED', message);
      await load(tower, { ...F32, tiles: 0 });
      await load(tower, AUTO);
    });

    it('by language models that nothing is known of about them', async () => {
      const folders = { tower: mergingFolder('internvl'), language: fixture('language', 'llama-tiny') };
      const message = /same kind of model \(InternVL\) for option tiles 12 but received .*llama-tiny$/;
      await expectRejection(load(folders, AUTO), 'ERR_UNSUPPORTED', message);
      await load(folders, F32);
      // Of the same width, but taught with other words around each tile.
      const other = { tower: mergingFolder('internvl'), language: mergingFolder('smolvlm') };
      const another = /same kind of model \(InternVL\) for option tiles 12 but received .*smolvlm \(SmolVLM\)$/;
      await expectRejection(load(other, AUTO), 'ERR_UNSUPPORTED', another);
      await load(other, F32);
      // A tower alone says nothing of how its tiles are read.
      const tower = changedTower('idefics3', at('alone'), { preprocessor: { size: { longest_edge: 48 } } });
      const alone = /^Expected no language model beside a tower alone for option tiles 4 but received http:/;
      await expectRejection(load({ tower, language: 'http://127.0.0.1:1/v1#x' }, AUTO), 'ERR_UNSUPPORTED', alone);
      await load({ tower }, AUTO);
      const prompt = { 'config.json': { prompt_template: '<image>{question}' } };
      await using model = await QAViT.load(copyMerging('internvl', at('own-words'), prompt), AUTO);
      const { picture } = tiledTensors('internvl');
      const asked = { question: 'what?', ids: [] };
      const whole = /visual tokens of a whole picture for .*own-words but received those of a picture in 2 x 3 tiles/;
      await expectRejection(saidBy(model, picture, asked), 'ERR_UNSUPPORTED', whole);
      // A LLaVA was never shown any.
      const strangers = { tower: mergingFolder('internvl'), language: llavaFolder('clip-llama') };
      await expectRejection(load(strangers, AUTO), 'ERR_UNSUPPORTED', /but received .*clip-llama \(LLaVA\)$/);
      await using llava = await QAViT.load(strangers, F32);
      expect(await saidBy(llava, noiseImage(24, 24), asked)).to.be.a('string');
    });

    it('by language models with a place for each, where they cannot be shared out', async () => {
      await using model = await QAViT.load(folderOf('smolvlm'), AUTO);
      const { data, shape, tiles } = await model.encode(tiledTensors('smolvlm').picture, null);
      const [rows, width] = shape;
      const tokens = { data: data.subarray(width), shape: [rows - 1, width] as [number, number], tiles, key: 'few' };
      const message = /^Expected a multiple of 5 for the number of visual tokens but received 44$/;
      await expectRejection(model.stages.answer(tokens, 'what?').next(), 'ERR_SHAPE', message);
    });

    it('as stages are given them, unless they are a grid that the model was loaded for', async () => {
      await using model = await QAViT.load({ tower: mergingFolder('internvl') }, { ...F32, tiles: 4 });
      const { data, width, height } = await model.stages.prepare(noiseImage(24, 24));
      const tile = new Uint8Array(data.length);
      const refused: [unknown, 'ERR_ARGUMENT' | 'ERR_SHAPE', RegExp][] = [
        [3, 'ERR_ARGUMENT', /\{ rows, columns, data \} for tiles of pictures\[0\] of stages\.look/],
        [{ rows: 1, columns: 5, data: tile }, 'ERR_ARGUMENT', /at most 4 tiles, .* but received 1 x 5/],
        [{ rows: 0, columns: 2, data: tile }, 'ERR_ARGUMENT', /at most 4 tiles, .* but received 0 x 2/],
        [{ rows: 1, columns: 2, data: tile }, 'ERR_SHAPE', /RGB of 2 times 24 x 24 pixels for tiles of pictures\[0\]/],
      ];
      for (const [tiles, code, message] of refused) {
        const picture = { data, width, height, tiles } as Parameters<typeof model.stages.look>[0][0];
        await expectRejection(model.stages.look([picture]), code, message);
      }
    });
  });
});
