import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { type BatchItem, type LoadOptions, QAViT, type QuestionInput, type VisualTokens } from '../../lib';
import { Snapshots } from '../../lib/qavit/snapshots';
import { relativeError } from '../support/compare';
import { expectRejection } from '../support/expect-error';
import { features, noise } from '../support/pictures';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

const WIDTH = 24;
const image = noise(32);

describe('encode', () => {
  const at = temporaryFolder();
  let model: QAViT;

  const load = (options?: LoadOptions) => QAViT.load(writeRandomModel(at('model')), { device: 'cpu', ...options });
  before(async () => {
    model = await load();
  });
  after(() => model.close());

  it('hands over projected tokens, or the tower’s own', async () => {
    const projected = await model.encode(image, features(5, WIDTH));
    expect(projected.shape).to.deep.equal([17, 20]);
    expect(projected.data)
      .to.be.instanceOf(Float32Array)
      .with.length(17 * 20);
    const tower = await model.encode(image, features(5, WIDTH), { output: 'tower' });
    expect(tower.shape).to.deep.equal([17, 32]);
  });

  it('takes no question as the plain tower, and so a question without tokens', async () => {
    const plain = await model.encode(image, null);
    const empty = await model.encode(image, { data: new Float32Array(0), shape: [0, WIDTH] });
    expect(empty.data).to.deep.equal(plain.data);
    await using tower = await QAViT.load({ tower: at('model', 'tower') }, { device: 'cpu' });
    const alone = await tower.encode(image, null);
    expect((await model.encode(image, null, { output: 'tower' })).data).to.deep.equal(alone.data);
  });

  it('goes on from a picture that was looked at, any number of times', async () => {
    using seen = await model.look(image);
    expect(seen.bytes).to.equal(17 * 32 * 4);
    expect(seen.picture.data).to.deep.equal(image.data);
    for (const question of [features(3, WIDTH), features(9, WIDTH), null]) {
      expect((await model.encode(seen, question)).data).to.deep.equal((await model.encode(image, question)).data);
    }
    seen.dispose();
    expect(seen.bytes).to.equal(0);
    await expectRejection(model.encode(seen, null), 'ERR_ARGUMENT', /one that was disposed/);
  });

  it('hands over from one picture that was looked at what is asked for, and as often', async () => {
    using seen = await model.look(image);
    for (const question of [features(3, WIDTH), null]) {
      for (const output of ['projected', 'tower'] as const) {
        const wanted = await model.encode(image, question, { output });
        for (const count of [1, 3]) {
          const items = Array.from({ length: count }, () => ({ image: seen, question }));
          expect(await model.encodeBatch(items, { output }), output).to.deep.equal(items.map(() => wanted));
        }
      }
    }
  });

  it('takes pictures as paths, URLs and bytes', async () => {
    const { default: sharp } = await import('sharp');
    const { data, width, height, channels } = image;
    const file = at('picture.png');
    await sharp(data, { raw: { width, height, channels } }).png().toFile(file);
    const wanted = await model.encode(image, features(2, WIDTH));
    const { readFileSync } = await import('node:fs');
    const { pathToFileURL } = await import('node:url');
    for (const given of [file, pathToFileURL(file), readFileSync(file), new Uint8Array(readFileSync(file))]) {
      const tokens = await model.encode(given, features(2, WIDTH));
      expect(tokens.data).to.deep.equal(wanted.data);
      expect(tokens.key).to.equal(wanted.key);
    }
  });

  describe('arrays of the caller', () => {
    it('are the caller’s again at once: pictures', async () => {
      const pictures = [1, 2, 3, 4].map((seed) => noise(32, seed));
      const wanted = await model.encodeBatch(pictures.map((one) => ({ image: one, question: null })));
      const files = await Promise.all(
        pictures.map(({ data, width, height, channels }) =>
          sharp(data, { raw: { width, height, channels } }).png().toBuffer(),
        ),
      );
      const frame = Buffer.alloc(Math.max(...files.map(({ length }) => length)));
      const pixels = new Uint8Array(32 * 32 * 3);
      const raw = { ...noise(32), data: pixels };
      const calls = pictures.flatMap((picture, i) => {
        files[i]!.copy(frame);
        pixels.set(picture.data);
        const encoded = frame.subarray(0, files[i]!.length);
        return [
          model.encode(encoded, null),
          model.encode(raw, null),
          model.encodeBatch([{ image: raw, question: null }]).then(([one]) => one!),
        ];
      });
      frame.fill(0);
      pixels.fill(0);
      for (const [i, found] of (await Promise.all(calls)).entries()) {
        expect(found, `${i}`).to.deep.equal(wanted[Math.floor(i / 3)]);
      }
    });

    it('are the caller’s again at once: what is looked at, for the key too', async () => {
      const wanted = await model.encode(image, null);
      const raw = noise(32);
      const looking = model.look(raw);
      raw.data.fill(0);
      using seen = await looking;
      seen.picture.data.fill(0);
      expect(await model.encode(seen, null)).to.deep.equal(wanted);
      const shared = new Uint8Array(new SharedArrayBuffer(raw.data.length));
      shared.set(image.data);
      using same = await model.look({ ...raw, data: shared });
      expect(await model.encode(same, null)).to.deep.equal(wanted);
    });

    it('may belong to a picture of a class, with accessors', async () => {
      class Frame {
        readonly channels = 3;
        constructor(readonly data: Uint8Array) {}
        get width(): number {
          return Math.sqrt(this.data.length / 3);
        }
        get height(): number {
          return this.width;
        }
      }
      const frame = new Frame(image.data);
      expect(await model.encode(frame, null)).to.deep.equal(await model.encode(image, null));
    });

    it('are the caller’s again at once: question features', async () => {
      const question = features(5, WIDTH);
      const wanted = [await model.encode(image, question), (await model.attend(image, question)).difference];
      const calls = [model.encode(image, question), model.attend(image, question).then(({ difference }) => difference)];
      question.data.fill(NaN);
      expect(await Promise.all(calls)).to.deep.equal(wanted);
      const gone = features(5, WIDTH);
      const [later, detached] = [model.encode(image, gone), gone.data];
      structuredClone(detached.buffer, { transfer: [detached.buffer as ArrayBuffer] });
      expect((await later).data).to.deep.equal((wanted[0] as VisualTokens).data);
      const bytes = new Uint8Array(4);
      structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
      for (const lost of [bytes, { ...noise(32), data: bytes }])
        await expectRejection(model.encode(lost, null), 'ERR_ARGUMENT', /attached memory for image/);
      const none: QuestionInput = { data: detached, shape: [0, WIDTH] };
      await expectRejection(model.encode(image, none), 'ERR_ARGUMENT', /attached memory for data of question/);
    });

    it('stay one where they were one: shared work is done once', async () => {
      const shared = noise(32, 9);
      const batch = await model.encodeBatch(
        [1, 2].map((seed) => ({ image: shared, question: features(5, WIDTH, seed) })),
      );
      const alone = await model.encode(shared, features(5, WIDTH, 2));
      expect(batch[1]).to.deep.equal(alone);
      const copies = new Snapshots();
      expect(copies.image(shared)).to.equal(copies.image(shared)).and.not.equal(shared);
    });
  });

  it('gives no numbers that are none, whatever finite ones it was given', async () => {
    const huge = { data: new Float32Array(3 * WIDTH).fill(3e38), shape: [3, WIDTH] as [number, number] };
    await expectRejection(
      model.encode(image, huge),
      'ERR_ARGUMENT',
      /^Expected finite visual tokens for encode .*too large/,
    );
    await expectRejection(model.attend(image, huge), 'ERR_ARGUMENT', /^Expected finite visual tokens for attend /);
    const items = [features(3, WIDTH), huge].map((question) => ({ image, question }));
    await expectRejection(model.encodeBatch(items), 'ERR_ARGUMENT', /for items\[1\]/);
  });

  it('takes one signal for a thousand calls without a word of leaks', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listen);
    const { signal } = new AbortController();
    await Promise.all(Array.from({ length: 100 }, () => model.encode(image, null, { signal })));
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).to.deep.equal([]);
  });

  it('refuses what is deeper than any message, and holes', async () => {
    const cyclic: unknown[] = [];
    cyclic.push(cyclic, 1);
    for (const wrong of [cyclic, JSON.parse('['.repeat(5000) + ']'.repeat(5000))])
      await expectRejection(model.encode(wrong as never, null), 'ERR_ARGUMENT', /but received \[\[an array of /);
    await expectRejection(model.encodeBatch(new Array(2)), 'ERR_ARGUMENT', /items\[0\] but received undefined/);
    await expectRejection(QAViT.load('a\0b'), 'ERR_ARGUMENT');
  });

  it('takes pictures as large as it was told to', async () => {
    await using small = await QAViT.load(writeRandomModel(at('small')), {
      device: 'cpu',
      limits: { maxPixels: 32 * 32 },
    });
    expect((await small.encode(image, null)).shape[0]).to.equal(17);
    await expectRejection(small.encode(noise(33), null), 'ERR_ARGUMENT', /at most 1024 pixels \(limits\.maxPixels\)/);
    await expectRejection(small.look(noise(33)), 'ERR_ARGUMENT', /limits\.maxPixels/);
    const wrong = QAViT.load(writeRandomModel(at('small')), { limits: { maxPixel: 1 } as never });
    await expectRejection(wrong, 'ERR_ARGUMENT', /did you mean maxPixels/);
  });

  describe('keys', () => {
    it('are equal for equal work only', async () => {
      const key = async (...of: Parameters<QAViT['encode']>) => (await model.encode(...of)).key;
      const question = features(5, WIDTH);
      const wanted = await key(image, question);
      expect(wanted).to.match(/^[0-9a-f]{64}$/);
      expect(await key({ ...image, data: image.data.slice() }, features(5, WIDTH))).to.equal(wanted);
      using seen = await model.look(image);
      expect(await key(seen, question)).to.equal(wanted);
      expect(
        (
          await model.encodeBatch([
            { image, question: null },
            { image, question },
          ])
        )[1]!.key,
      ).to.equal(wanted);
      const others = [
        await key(image, features(5, WIDTH, 2)),
        await key(image, features(4, WIDTH)),
        await key(image, null),
        await key(noise(32, 2), question),
        await key(image, question, { output: 'tower' }),
      ];
      expect(new Set([wanted, ...others]).size).to.equal(6);
    });

    it('tell models and settings apart', async () => {
      const keys = new Set<string>();
      for (const [seed, options] of [
        [1, {}],
        [2, {}],
        [1, { dtype: 'f32' }],
        [1, { dtype: 'bf16' }],
        [1, { padding: 'attend', dtype: 'f32' }],
        [1, { keepClass: false, dtype: 'f32' }],
        [1, { hiddenLayer: -2, dtype: 'f32' }],
      ] as const) {
        await using other = await QAViT.load(writeRandomModel(at('other'), { seed }), { device: 'cpu', ...options });
        keys.add((await other.encode(image, null)).key);
      }
      // The default dtype is one of the two that follow.
      expect(keys.size).to.equal(6);
    });

    it('tell adapters apart that differ in their numbers alone', async () => {
      const { tower } = writeRandomModel(at('first'));
      const keys = new Set<string>();
      for (const seed of [1, 2]) {
        const { adapter } = writeRandomModel(at(`adapted-${seed}`), { seed });
        await using other = await QAViT.load({ tower, adapter }, { device: 'cpu' });
        keys.add((await other.encode(image, features(5, WIDTH))).key);
      }
      expect(keys.size).to.equal(2);
    });

    it('tell configurations apart that belong to the same weights', async () => {
      const keys = new Map<string, Float32Array>();
      const folders = writeRandomModel(at('configured'));
      const change = (file: string, field: Record<string, unknown>): void => {
        const json = JSON.parse(readFileSync(file, 'utf8')) as object;
        writeFileSync(file, JSON.stringify({ ...json, ...field }));
      };
      const [tower, adapter] = [path.join(folders.tower, 'config.json'), path.join(folders.adapter, 'config.json')];
      const preprocessor = path.join(folders.tower, 'preprocessor_config.json');
      for (const [file, field] of [
        [tower, {}],
        [preprocessor, { image_mean: [0.1, 0.2, 0.3] }],
        [tower, { hidden_act: 'gelu' }],
        [tower, { layer_norm_eps: 0.1 }],
        [adapter, { translation_mlp: { layers: 2, activation: 'gelu' } }],
      ] as const) {
        change(file, field);
        await using other = await QAViT.load(folders, { device: 'cpu', dtype: 'f32' });
        const { key, data } = await other.encode(image, features(5, WIDTH));
        for (const known of keys.values()) expect(data, JSON.stringify(field)).to.not.deep.equal(known);
        keys.set(key, data);
      }
      expect(keys.size).to.equal(5);
    });
  });

  describe('refuses', () => {
    const refuse = (question: unknown, code: 'ERR_ARGUMENT' | 'ERR_SHAPE' | 'ERR_DTYPE', message: RegExp) =>
      expectRejection(model.encode(image, question as QuestionInput), code, message);

    it('questions that are none', async () => {
      for (const question of [undefined, 5, [], new Float32Array(24), true]) {
        await refuse(question, 'ERR_ARGUMENT', /a string, \{ data, shape \} or null for question/);
      }
      await refuse(
        'what?',
        'ERR_ARGUMENT',
        /question features .* or a model that reads questions .* received "what\?"/,
      );
    });

    it('features that do not fit', async () => {
      const data = new Float32Array(2 * WIDTH);
      await refuse({ data: [1, 2], shape: [1, 2] }, 'ERR_DTYPE', /a Float32Array for data of question/);
      await refuse({ data: new Float64Array(24), shape: [1, 24] }, 'ERR_DTYPE', /Float64Array of 192 bytes/);
      await refuse({ data, shape: [2, 23] }, 'ERR_SHAPE', /\[K, Dq=24\] for shape of question .* \[2, 23\]/);
      await refuse({ data, shape: [3, 24] }, 'ERR_SHAPE', /72 numbers for \[3, 24\]/);
      for (const shape of [undefined, [48], [1, 2, 24], [2.5, 24], [-2, -24], 'ab']) {
        await refuse({ data, shape }, 'ERR_SHAPE', /\[K, Dq\] for shape of question/);
      }
      for (const value of [NaN, Infinity]) {
        const spoilt = data.slice();
        spoilt[30] = value;
        await refuse(
          { data: spoilt, shape: [2, 24] },
          'ERR_ARGUMENT',
          /finite numbers for data of question .* at element 30/,
        );
      }
    });

    it('options that are misspelt or wrong', async () => {
      const option = (options: object, message: RegExp) =>
        expectRejection(model.encode(image, null, options), 'ERR_ARGUMENT', message);
      await option({ ouput: 'tower' }, /"ouput" \(did you mean output\?\)/);
      await option({ output: 'both' }, /one of projected, tower for option output of encode/);
      await option({ signal: 5 }, /an AbortSignal/);
      const misplaced = /an object with signal, output, visualTokens for the options of encode but received /;
      for (const other of [AbortSignal.abort(), Promise.resolve({}), new Map([['output', 'tower']])])
        await option(other, misplaced);
      await model.encode(image, null, Object.create(null) as object);
      await expectRejection(model.look(image, { output: 'tower' } as never), 'ERR_ARGUMENT', /an option of look/);
    });

    it('pictures that are none', async () => {
      await expectRejection(model.encode(at('nowhere.png'), null), 'ERR_ARGUMENT', /nowhere\.png/);
      await expectRejection(model.encode(Buffer.from('text'), null), 'ERR_FORMAT');
      const short = { ...image, width: 33 };
      await expectRejection(model.encode(short, null), 'ERR_SHAPE', /image\.data/);
      await expectRejection(model.encode(undefined as never, null), 'ERR_ARGUMENT', /a path, .* for image/);
    });

    it('what another model looked at', async () => {
      await using other = await load();
      using seen = await other.look(image);
      await expectRejection(model.encode(seen, null), 'ERR_ARGUMENT', /another model's/);
      await expectRejection(model.look(seen as never), 'ERR_ARGUMENT', /a picture for image of look/);
    });

    it('questions to a tower without an adapter, and its projected tokens', async () => {
      await using tower = await QAViT.load({ tower: at('model', 'tower') });
      const question = features(1, WIDTH);
      await expectRejection(tower.encode(image, question), 'ERR_ARGUMENT', /null \(the model has no adapter\)/);
      await expectRejection(tower.encode(image, 'what?'), 'ERR_ARGUMENT', /null \(the model has no adapter\)/);
      await expectRejection(tower.encode(image, null, { output: 'projected' }), 'ERR_ARGUMENT', /no projector/);
      await expectRejection(tower.attend(image, question), 'ERR_ARGUMENT', /a model with an adapter/);
      await expectRejection(tower.ask(image, 'what?').next(), 'ERR_ARGUMENT', /a model with a language model for ask/);
    });

    it('a batch that is none', async () => {
      const batch = (items: unknown, message: RegExp) =>
        expectRejection(model.encodeBatch(items as BatchItem[]), 'ERR_ARGUMENT', message);
      await batch('abc', /an array of \{ image, question \}/);
      await batch([5], /\{ image, question \} for items\[0\]/);
      await batch(
        [
          { image, question: null },
          { image, question: 7 },
        ],
        /null for question of items\[1\]/,
      );
      await batch(
        [
          { image, question: null },
          { image, qestion: null },
        ],
        /"qestion" \(did you mean question\?\)/,
      );
      await batch(
        [
          { image, question: null },
          { image: at('nowhere.png'), question: null },
        ],
        /nowhere\.png.*\(items\[1\]\)/,
      );
      const missing = { image: at('nowhere.png'), question: null };
      await batch([{ image, question: null }, missing, missing], /nowhere\.png.*\(items\[1\]\)/);
    });
  });
});

describe('encodeBatch', () => {
  const at = temporaryFolder();
  const pictures = [noise(32, 1), noise(32, 2), noise(32, 3)] as const;
  const questions = [features(3, WIDTH, 1), features(30, WIDTH, 2), features(1, WIDTH, 3), null] as const;
  const all: BatchItem[] = pictures.flatMap((picture) => questions.map((question) => ({ image: picture, question })));

  const load = (options?: LoadOptions) => QAViT.load(writeRandomModel(at('model')), { device: 'cpu', ...options });

  for (const dtype of ['f32', 'bf16'] as const) {
    it(`gives each sample the same bits whatever its neighbours are, in ${dtype}`, async () => {
      await using model = await load({ dtype });
      const alone: VisualTokens[] = [];
      for (const { image: picture, question } of all) alone.push(await model.encode(picture, question));
      using seen = await model.look(pictures[1]);
      const mixed = [all[5]!, { image: seen, question: questions[1] }, all[0]!, all[11]!, all[3]!, all[5]!];
      for (const items of [all, [...all].reverse(), all.slice(2, 5), all.slice(1, 2), mixed]) {
        const together = await model.encodeBatch(items);
        items.forEach((item, i) => {
          const number = all.findIndex(
            ({ image: p, question: q }) =>
              p === (item.image === seen ? pictures[1] : item.image) && q === item.question,
          );
          expect(together[i]!.data).to.deep.equal(alone[number]!.data);
          expect(together[i]!.key).to.equal(alone[number]!.key);
        });
      }
    });
  }

  it('is empty for an empty batch', async () => {
    await using model = await load();
    expect(await model.encodeBatch([])).to.deep.equal([]);
  });

  it('gives each result an array of its own', async () => {
    await using model = await load();
    const results = await model.encodeBatch([all[0]!, all[0]!, all[1]!]);
    for (const { data } of results) expect(data.buffer.byteLength).to.equal(data.byteLength);
    expect(results[0]!.data).to.not.equal(results[1]!.data);
  });

  it('works through more pictures and questions than one run takes', async () => {
    await using model = await load({ dtype: 'f32' });
    const many = Array.from({ length: 600 }, (_, i) => ({
      image: noise(32, i % 300),
      question: features(1 + (i % 9), WIDTH, i),
    }));
    const results = await model.encodeBatch(many);
    expect(results).to.have.length(600);
    for (const i of [0, 239, 240, 241, 599]) {
      expect(results[i]!.data).to.deep.equal((await model.encode(many[i]!.image, many[i]!.question)).data);
    }
  });

  it('says what was wrong with a picture or a question of a later run, once', async () => {
    await using model = await load({ dtype: 'f32' });
    const many = Array.from({ length: 300 }, (_, i) => ({ image: noise(32, i), question: features(3, WIDTH) }));
    const missing = { image: at('nowhere.png'), question: null };
    // What rejects while the run before it is under way must not be taken for a failure that nobody looks at.
    await expectRejection(model.encodeBatch([...many, missing]), 'ERR_ARGUMENT', /nowhere\.png.*\(items\[300\]\)/);
    const huge = { data: new Float32Array(3 * WIDTH).fill(3e38), shape: [3, WIDTH] as [number, number] };
    const spoilt = [{ image: noise(32, 0), question: huge }, ...many.slice(1)];
    await expectRejection(model.encodeBatch(spoilt), 'ERR_ARGUMENT', /for items\[0\]/);
    expect(model.info.memory.tensorBytes).to.equal(0);
  });

  it("with attended padding pads to the batch's longest with rows of zeros", async () => {
    await using model = await load({ padding: 'attend', dtype: 'f32' });
    const [short, long] = [questions[0], questions[1]];
    const [padded] = await model.encodeBatch([all[0]!, { image: pictures[0], question: long }]);
    const data = new Float32Array(30 * WIDTH);
    data.set(short.data);
    const explicit = await model.encode(pictures[0], { data, shape: [30, WIDTH] });
    expect(padded!.data).to.deep.equal(explicit.data);
    const alone = await model.encode(pictures[0], short);
    expect(relativeError(padded!.data, alone.data)).to.be.above(1e-4);
    expect(padded!.key).to.not.equal(alone.key);
  });
});
