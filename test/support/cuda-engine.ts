/** A model's engine on a device of the test's own, where QAViT.load would open one by itself. */
import type { Device } from '../../lib/binding/native';
import type { QuestionFeatures } from '../../lib';
import type { ComputeDType } from '../../lib/graph';
import type { Output } from '../../lib/models/plans';
import { Engine, type HandedOver } from '../../lib/qavit/engine';
import { openVision, type VisionOptions } from '../../lib/qavit/open-vision';
import { choosePrecision } from '../../lib/qavit/precision';
import { QuestionBlocks } from '../../lib/qavit/question-blocks';
import type { ModelFolders } from '../../lib';

export interface OpenEngine extends Disposable {
  readonly engine: Engine;
}

export async function openEngine(
  folders: ModelFolders,
  device: Device,
  dtype: ComputeDType,
  { imageSize, hiddenLayer, keepClass }: VisionOptions = {},
): Promise<OpenEngine> {
  const vision = await openVision(folders, { imageSize, hiddenLayer, keepClass });
  return {
    engine: new Engine(device, vision.model, choosePrecision(device, dtype)),
    [Symbol.dispose]: () => vision.close(),
  };
}

const never = new AbortController().signal;

/** Pictures [B, S, S, 3], each under its own question, as one batch; null: the plain tower. */
export async function encodeBatch(
  engine: Engine,
  pixels: Uint8Array,
  questions: readonly QuestionFeatures[] | null,
  padding: 'mask' | 'attend' = 'mask',
  output: Output = 'tower',
): Promise<Float32Array> {
  const { image } = engine.model;
  const images = pixels.length / (image.width * image.height * 3);
  const stream = await engine.look(pixels, images, never);
  const pictures = { tensor: stream, index: Array.from({ length: images }, (_, b) => b) };
  const blocks = questions && new QuestionBlocks(engine, questions, padding);
  try {
    if (!blocks) return joined(await engine.plain(pictures, output, never));
    const { tensor, lengths } = await blocks.get(0, never);
    return joined(await engine.fuse(pictures, { tensor, index: pictures.index, lengths }, output, never));
  } finally {
    blocks?.dispose();
    stream.dispose();
  }
}

/** The same with plans for exactly this many question rows: nothing is padded. */
export async function encodeUnpadded(
  engine: Engine,
  pixels: Uint8Array,
  { data, shape: [tokens, width] }: QuestionFeatures,
): Promise<Float32Array> {
  const stream = await engine.look(pixels, 1, never);
  const heard = await engine.listen(data, { questions: 1, tokens, width }, never);
  const one = { index: [0] };
  try {
    const question = { tensor: heard, ...one, lengths: [tokens] };
    return joined(await engine.fuse({ tensor: stream, ...one }, question, 'tower', never));
  } finally {
    heard.dispose();
    stream.dispose();
  }
}

/** [B, N, C] */
function joined({ tokens }: HandedOver): Float32Array {
  const size = tokens[0]?.length ?? 0;
  const all = new Float32Array(tokens.length * size);
  tokens.forEach((sample, i) => all.set(sample, i * size));
  return all;
}
