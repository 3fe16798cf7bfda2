/** A program on the published types: what README shows, and every entry. It is compiled, in several configurations, and run once. */
import {
  QAViT,
  QAViTError,
  type AttentionMaps,
  type ImageInput,
  type LoadOptions,
  type ModelInfo,
  type VisualTokens,
} from 'qavit';
import { linear, type Numbers } from 'qavit/ops';
import { Batcher, createServer, type ServerOptions } from 'qavit/serve';
import type { VisualInputs } from 'qavit/transformers';
import { type ImageEmbedsPart, imageEmbeds } from 'qavit/vllm';

export async function answer(image: string | Buffer, question: string, signal?: AbortSignal): Promise<string> {
  await using model = await QAViT.load('demo', { device: 'cpu', dtype: 'f32' });
  const { fusedLayers, device }: ModelInfo = model.info;
  if (fusedLayers.length === 0) throw new QAViTError('ERR_UNSUPPORTED', `nothing is fused on ${device.kind}`);
  let text = '';
  for await (const piece of model.ask(image, question, { maxNewTokens: 10, signal })) text += piece;
  return text;
}

export async function tokensOf(model: QAViT, images: readonly string[], question: string): Promise<ImageEmbedsPart[]> {
  using seen = await model.look(images[0]!);
  const first: VisualTokens = await model.encode(seen, question, { output: 'projected' });
  const rest = await model.encodeBatch(images.slice(1).map((image) => ({ image, question })));
  const maps: AttentionMaps = await model.attend(images[0]!, question);
  if (maps.layers.length === 0) throw new Error('no maps');
  return [first, ...rest].map((tokens) => imageEmbeds(tokens));
}

export async function product(x: Float32Array, weight: Float32Array): Promise<Float32Array> {
  const y: Numbers = await linear(
    { data: x, shape: [1, x.length] },
    { weight: { data: weight, shape: [1, x.length] } },
  );
  return y.data;
}

export async function serve(model: QAViT): Promise<string> {
  const options: ServerOptions = { limits: { newTokens: 20 }, page: false };
  const app = await createServer({ demo: model }, options);
  const url = await app.listen({ port: 0 });
  await app.close();
  return url;
}

export type Inputs<T> = VisualInputs<T>;
export const queue = (model: QAViT): Batcher => new Batcher(model, { maxBatch: 4 });

/* Whoever publishes types over these needs names for them: the compiler refuses types that no entry exports. */
export const about = ({ info }: QAViT) => ({
  ...info,
  isa: info.device.isa,
  memory: info.memory,
  model: info.language,
});
export const pictureOf = ({ info }: QAViT) => ({ rule: info.preprocessing.resize, crop: info.preprocessing.crop });
export const placeOf = ({ device, languageDevice, dtype, languageDType }: LoadOptions) =>
  ({ device, languageDevice, dtype, languageDType }) as const;
export const rawOf = (image: ImageInput) => (typeof image === 'object' && 'channels' in image ? image : undefined);

// A misspelt option is a mistake that the compiler finds.
// @ts-expect-error -- dtype, not type
export const misspelt = (): Promise<QAViT> => QAViT.load('demo', { type: 'f32' });
