import { expect } from 'chai';
import { parsePreprocessorConfig } from '../../lib/image';
import { encodeAll, type EncodingContext } from '../../lib/qavit/encoding';

const SIDE = 14;
/** Two pictures fill a run of encodeAll's on the CPU. */
const TOKENS = 1024;
const PREPROCESSOR = parsePreprocessorConfig(
  { image_processor_type: 'CLIPImageProcessor', do_resize: false, do_center_crop: false },
  'test',
);

/** What encodeAll asks of an engine, with a first look that takes until the test lets it go. */
function engineThatWaits(until: Promise<void>): { engine: unknown; looks: number[] } {
  const looks: number[] = [];
  const tensor = { dispose: () => undefined };
  const engine = {
    model: { tokens: TOKENS, image: SIDE, keepClass: true },
    device: { info: { kind: 'cpu' } },
    look: async (_pixels: Uint8Array, images: number) => {
      looks.push(images);
      if (looks.length === 1) await until;
      return tensor;
    },
    plain: ({ index }: { index: number[] }) => Promise.resolve([new Float32Array(index.length * TOKENS)]),
  };
  return { engine, looks };
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

describe('encodeBatch', () => {
  it("prepares the next run's pictures, and no more, while one is computed", async () => {
    let go = (): void => undefined;
    const { engine, looks } = engineThatWaits(new Promise((resolve) => (go = resolve)));
    const read: number[] = [];
    const items = [0, 1, 2, 3, 4, 5].map((name) => ({
      image: observed(name, read),
      question: null,
      count: 'all' as const,
    }));
    const context = {
      engine,
      preprocessor: PREPROCESSOR,
      questions: { encode: () => Promise.resolve(undefined) },
      padding: 'mask',
      fingerprint: '',
    } as unknown as EncodingContext;
    const done = encodeAll(context, items, 'tower', new AbortController().signal);
    for (let turn = 0; turn < 100 && read.length < 4; turn += 1)
      await new Promise((resolve) => setTimeout(resolve, 10));
    // Long enough for a third run's pictures to be read too, were they asked for.
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(looks).to.deep.equal([2]);
    expect(read).to.have.members([0, 1, 2, 3]);
    go();
    expect(await done).to.have.length(6);
    expect(looks).to.deep.equal([2, 2, 2]);
  });
});
