import { expect } from 'chai';
import { parsePreprocessorConfig } from '../../lib/image';
import { encodeAll, type EncodingContext } from '../../lib/qavit/encoding';
import { square } from '../support/square';

const SIDE = 14;
/** Two pictures fill a run of encodeAll's on the CPU. */
const TOKENS = 1024;
const PREPROCESSOR = parsePreprocessorConfig(
  { image_processor_type: 'CLIPImageProcessor', do_resize: false, do_center_crop: false },
  'test',
);

interface Waiting {
  readonly look?: Promise<void>;
  readonly plain?: Promise<void>;
}

/** What encodeAll asks of an engine, whose first look and first run after it take until the test lets them go. */
function engineThatWaits(until: Waiting) {
  const seen = { looks: [] as number[], runs: [] as number[], kept: 0 };
  const model = { tokens: TOKENS, image: square(SIDE), keepClass: true };
  const engine = {
    model,
    at: () => model,
    device: { info: { kind: 'cpu' } },
    look: async (_pixels: Uint8Array, images: number) => {
      seen.looks.push(images);
      if (seen.looks.length === 1) await until.look;
      seen.kept += 1;
      return { dispose: () => (seen.kept -= 1) };
    },
    plain: async ({ index }: { index: number[] }) => {
      seen.runs.push(index.length);
      if (seen.runs.length === 1) await until.plain;
      return { tokens: index.map(() => new Float32Array(TOKENS)), nonFinite: index.map(() => -1) };
    },
  };
  const context = {
    engine,
    preprocessor: PREPROCESSOR,
    questions: { encode: () => Promise.resolve(undefined) },
    padding: 'mask',
    fingerprint: '',
  } as unknown as EncodingContext;
  return { context, seen };
}

function gate() {
  let open = (): void => undefined;
  let fail = (_error: Error): void => undefined;
  const passed = new Promise<void>((resolve, reject) => ([open, fail] = [resolve, reject]));
  return { passed, open, fail };
}

/** A raw picture that says when its pixels are read. */
function observed(name: number, read: number[]) {
  const data = new Uint8Array(SIDE * SIDE * 3);
  return {
    get data() {
      if (!read.includes(name)) read.push(name);
      return data;
    },
    width: SIDE,
    height: SIDE,
    channels: 3 as const,
  };
}

const itemsOf = (read: number[]) =>
  [0, 1, 2, 3, 4, 5].map((name) => ({ image: observed(name, read), question: null, count: 'all' as const }));
const encode = (context: EncodingContext, read: number[] = []) =>
  encodeAll(context, itemsOf(read), 'tower', new AbortController().signal);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !condition(); turn += 1) await pause(10);
  // Long enough for what must not follow to follow.
  await pause(50);
}

describe('encodeBatch', () => {
  it("prepares the next run's pictures, and no more, while one is computed", async () => {
    const { passed, open } = gate();
    const { context, seen } = engineThatWaits({ look: passed });
    const read: number[] = [];
    const done = encode(context, read);
    await until(() => read.length >= 4);
    expect(seen.looks).to.deep.equal([2]);
    expect(read).to.have.members([0, 1, 2, 3]);
    open();
    expect(await done).to.have.length(6);
    expect(seen).to.deep.equal({ looks: [2, 2, 2], runs: [2, 2, 2], kept: 0 });
  });

  it('looks at the next pictures, and no more, while the ones before are finished', async () => {
    const { passed, open } = gate();
    const { context, seen } = engineThatWaits({ plain: passed });
    const done = encode(context);
    await until(() => seen.looks.length >= 2);
    expect(seen).to.deep.equal({ looks: [2, 2], runs: [2], kept: 2 });
    open();
    expect(await done).to.have.length(6);
    expect(seen).to.deep.equal({ looks: [2, 2, 2], runs: [2, 2, 2], kept: 0 });
  });

  it('rejects with the error of the earlier run, and keeps nothing', async () => {
    const { passed, fail } = gate();
    const { context, seen } = engineThatWaits({ plain: passed });
    const done = encode(context);
    await until(() => seen.looks.length >= 2);
    fail(new Error('of the first run'));
    const error: unknown = await done.catch((reason: unknown) => reason);
    expect(error).to.be.an('error').with.property('message', 'of the first run');
    expect(seen).to.deep.equal({ looks: [2, 2], runs: [2], kept: 0 });
  });

  it('ends what was begun before it rejects', async () => {
    const { passed, open } = gate();
    const { context, seen } = engineThatWaits({ plain: passed });
    const { look } = context.engine as unknown as { look: (pixels: Uint8Array, images: number) => Promise<unknown> };
    Object.assign(context.engine, {
      look: async (pixels: Uint8Array, images: number) => {
        if (seen.looks.length === 1) throw new Error('of the second look');
        return look(pixels, images);
      },
    });
    let ended = false;
    const done = encode(context).catch((reason: unknown) => ((ended = true), reason));
    await until(() => seen.runs.length >= 1);
    expect(ended).to.equal(false);
    open();
    expect(await done)
      .to.be.an('error')
      .with.property('message', 'of the second look');
    expect(seen.kept).to.equal(0);
  });
});
