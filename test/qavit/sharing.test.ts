import { expect } from 'chai';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { encodeAll } from '../../lib/qavit/encoding';
import { loadModel } from '../../lib/qavit/load';
import { longestOf, QuestionEncoder } from '../../lib/qavit/questions';
import type { BatchItem } from '../../lib';
import { features, noise } from '../support/pictures';
import { writeRandomModel } from '../support/random-model';
import { temporaryFolder } from '../support/temporary';

describe('shared work', () => {
  const at = temporaryFolder();
  /** Samples of the largest run that a batch took. */
  let largest: number;

  /** How many pictures were looked at and questions heard while a batch was encoded. */
  async function count(items: readonly BatchItem[]): Promise<{ looked: number; heard: number; kept: number }> {
    const loaded = await loadModel(writeRandomModel(at('model')), { device: 'cpu' });
    const { engine, vision, padding, limits, fingerprint } = loaded;
    const counts = { looked: 0, heard: 0, kept: 0 };
    largest = 0;
    const [look, listen, encode] = [engine.look.bind(engine), engine.listen.bind(engine), engine.encode.bind(engine)];
    const fuse = engine.fuse.bind(engine);
    engine.fuse = (pictures, ...of) => {
      largest = Math.max(largest, pictures.index.length);
      return fuse(pictures, ...of);
    };
    engine.look = (pixels, images, signal) => ((counts.looked += images), look(pixels, images, signal));
    engine.listen = (data, size, signal) => ((counts.heard += size.questions), listen(data, size, signal));
    engine.encode = (pictures, asked, output, signal) => {
      largest = Math.max(largest, pictures.index.length);
      counts.looked += pictures.images;
      counts.heard += asked?.size.questions ?? 0;
      return encode(pictures, asked, output, signal);
    };
    const questions = new QuestionEncoder(vision.model.questionWidth, undefined, undefined);
    const { preprocessor, placedRows } = vision;
    const context = { engine, preprocessor, placedRows, questions, padding, limits, fingerprint };
    const asked = items.map((item) => ({ ...item, count: 'all' as const }));
    await encodeAll(context, asked, 'tower', new AbortController().signal);
    counts.kept = engine.device.memory.tensorBytes;
    await engine.device.close();
    return counts;
  }

  it('is done once for each picture and question, and nothing is kept', async () => {
    const pictures = [noise(32, 1), noise(32, 2)];
    const questions = [features(3, 24, 1), features(5, 24, 2), features(7, 24, 3)];
    const items = questions.flatMap((question) => pictures.map((image) => ({ image, question })));
    expect(await count(items)).to.deep.equal({ looked: 2, heard: 3, kept: 0 });
    expect(await count([...items, ...items])).to.deep.equal({ looked: 2, heard: 3, kept: 0 });
    // More than one run takes.
    const many = Array.from({ length: 100 }, () => items).flat();
    expect(await count(many)).to.deep.equal({ looked: 2, heard: 3, kept: 0 });
  });

  it('goes in runs of bounded size, also of one picture under many questions', async () => {
    const image = noise(32);
    const items = Array.from({ length: 300 }, (_, i) => ({ image, question: features(3, 24, i) }));
    expect(await count(items)).to.deep.equal({ looked: 1, heard: 300, kept: 0 });
    // 2048 rows of 17 tokens a picture.
    expect(largest).to.equal(121);
  });

  it('is done once for a file that is named twice', async () => {
    const file = at('picture.png');
    const { data, width, height, channels } = noise(32);
    await sharp(data, { raw: { width, height, channels } }).png().toFile(file);
    const named = [file, file, pathToFileURL(file), pathToFileURL(file)];
    const items = named.map((image) => ({ image, question: null }));
    // A path and a URL are not told to be one file.
    expect(await count(items)).to.deep.equal({ looked: 2, heard: 0, kept: 0 });
  });

  it('is not mistaken: equal contents in different objects count twice', async () => {
    const items = [1, 1].map((seed) => ({ image: noise(32, seed), question: features(3, 24, seed) }));
    expect(await count(items)).to.deep.equal({ looked: 2, heard: 2, kept: 0 });
  });

  it('is found among more questions than a call takes as arguments', () => {
    const questions = Array.from({ length: 200_000 }, (_, i) => features(i === 150_000 ? 3 : 1, 1));
    expect(longestOf(questions)).to.equal(3);
    expect(longestOf([])).to.equal(0);
  });

  it('needs no listening without questions', async () => {
    expect(await count([{ image: noise(32), question: null }])).to.deep.equal({ looked: 1, heard: 0, kept: 0 });
  });
});
