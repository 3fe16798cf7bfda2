import { expect } from 'chai';
import {
  type BatchItem,
  type DownloadProgress,
  type LoadOptions,
  type OwnShapes,
  QAViT,
  QAViTError,
  type QAViTErrorCode,
  type VisualTokens,
  type VllmServer,
} from '../../lib';

/**
 * What the compiler must accept and refuse. Every `@ts-expect-error` fails the build when the line below it becomes legal; the calls
 * sit in functions that are never run.
 */
export async function accepted(model: QAViT, signal: AbortSignal): Promise<void> {
  const raw = { data: new Uint8Array(12), width: 2, height: 2, channels: 3 } as const;
  const features = { data: new Float32Array(8), shape: [2, 4] as [number, number] };
  const tokens: VisualTokens = await model.encode('a.png', 'what?', { output: 'projected', signal });
  const [rows, columns]: [number, number] = tokens.shape;
  tokens.data.fill(rows * columns);
  await model.encode(new URL('file:///a.png'), null);
  await model.encode(Buffer.alloc(1), features, { output: 'tower' });
  await model.encode(raw, features);
  const items: readonly BatchItem[] = [{ image: raw, question: 'what?' }];
  const many: VisualTokens[] = await model.encodeBatch(items, { signal });
  many.map(({ key }) => key.toUpperCase());
  using seen = await model.look(raw);
  await model.encode(seen, 'what?');
  const maps = await model.attend(seen, 'what?');
  maps.layers.map(({ layer, gate, attention }) => layer * gate * attention.shape[0]);
  for await (const text of model.ask(seen, 'what?', { maxNewTokens: 5, temperature: 0, topK: 9, seed: 1, signal }))
    text.trim();
  await using other = await QAViT.load(
    { tower: 'a', adapter: 'b', language: 'c' },
    { device: 'cuda:1', dtype: 'bf16', imageSize: 384 },
  );
  other.info.gates.map((gate) => gate.toFixed(2));
  await using wide = await QAViT.load('a', { imageSize: { width: 448, height: 252 } });
  const { image, grid, patch } = wide.info;
  [image.width - grid.columns * patch, image.height - grid.rows * patch].map((rest) => rest.toFixed());
  const own: OwnShapes = { maxPatches: 576 };
  await using shaped = await QAViT.load('a', { imageSize: own });
  shaped.info.maxPatches?.toFixed();
  const server: VllmServer = { url: 'http://a/v1', model: 'b', input: 'prompt_embeds', dtype: 'f16' };
  await using front = await QAViT.load({ tower: 'a', adapter: 'b', questions: 'c', language: server });
  front.info.language?.questionWidth?.toFixed();
  const onProgress = ({ name, file, received, total }: DownloadProgress): string =>
    `${name} ${file ?? 'waits'} ${received / total}`;
  await using remote = await QAViT.load('openai/clip-vit-base-patch32@main', { offline: false, onProgress });
  remote.info.folders.tower.trim();
}

export async function refused(model: QAViT): Promise<void> {
  // @ts-expect-error a misspelt option
  await model.encode('a.png', null, { ouput: 'tower' });
  // @ts-expect-error four channels
  await model.encode({ data: new Uint8Array(16), width: 2, height: 2, channels: 4 }, null);
  // @ts-expect-error features without a shape
  await model.encode('a.png', { data: new Float32Array(8) });
  // @ts-expect-error the question is not optional: null says that there is none
  await model.encode('a.png');
  // @ts-expect-error a height is missing
  await QAViT.load('a', { imageSize: { width: 448 } });
  // @ts-expect-error a number of patches
  await QAViT.load('a', { imageSize: { maxPatches: '576' } });
  // @ts-expect-error null where all pictures have one size
  model.info.maxPatches.toFixed();
  // @ts-expect-error no such dtype
  await QAViT.load('a', { dtype: 'int7' });
  // @ts-expect-error keys come from the environment
  await QAViT.load({ tower: 'a', language: { url: 'http://a/v1', model: 'b', apiKey: 'secret' } });
  // @ts-expect-error a tower is needed
  await QAViT.load({ adapter: 'b' });
  // @ts-expect-error made by load() only
  new QAViT();
  // @ts-expect-error no such code
  const code: QAViTErrorCode = 'ERR_OTHER';
  throw new QAViTError(code, '');
}

describe('public types', () => {
  it('are held by the compiler, and errors carry their code', () => {
    const options: LoadOptions = { device: 'cpu', dtype: 'auto', padding: 'mask', threads: 1 };
    expect(options).to.have.all.keys('device', 'dtype', 'padding', 'threads');
    const error = new QAViTError('ERR_SHAPE', 'Expected a for b but received c', { cause: options });
    expect(error).to.be.instanceOf(Error);
    expect([error.name, error.code, error.cause]).to.deep.equal(['QAViTError', 'ERR_SHAPE', options]);
  });
});
