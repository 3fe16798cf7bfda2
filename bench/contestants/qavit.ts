/** qavit itself, through its public API. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { QAViT } from '../../lib';
import { parsePreprocessorConfig, prepareImage } from '../../lib/image';
import type { BatchItem, Looked, VisualTokens } from '../../lib/qavit/types';
import { root } from '../support/machine';
import { readInputs, readQuestions } from './inputs';
import { serve, type Work } from './serve';
import type { About, Spec } from './spec';

const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
const versions = { qavit: version, node: process.version };

function openTower({ directory = '', dtype, threads, kind }: Spec): Promise<QAViT> {
  const tower = path.join(directory, 'tower');
  const folders = kind === 'questions' ? { tower, adapter: path.join(directory, 'adapter') } : { tower };
  return QAViT.load(folders, { device: 'cpu', dtype, threads });
}

function pictures(spec: Spec): BatchItem[] {
  const { edge, pixels } = readInputs(spec);
  const each = edge * edge * 3;
  return Array.from({ length: spec.images ?? 1 }, (_, i) => {
    const data = pixels.slice(i * each, (i + 1) * each);
    return { image: { data, width: edge, height: edge, channels: 3 }, question: null };
  });
}

async function towerWork(spec: Spec): Promise<Work> {
  const model = await openTower(spec);
  const items = pictures(spec);
  return {
    about: () => ({ versions, weightBytes: model.info.memory.weightBytes }),
    run: async () => (await model.encodeBatch(items, { output: 'tower' }))[0]!.data,
    close: () => model.close(),
  };
}

/** Every picture is looked at once, then asked all questions; with one question to all, both in one batch. */
async function questionsWork(spec: Spec): Promise<Work> {
  const model = await openTower(spec);
  const items = pictures(spec);
  const width = model.info.Dq ?? 0;
  const shape: [number, number] = [spec.tokens ?? 0, width];
  const questions = readQuestions(spec, width).map((data) => ({ data, shape }));
  const about = (): About => ({ versions, weightBytes: model.info.memory.weightBytes });
  const close = (): Promise<void> => model.close();
  if (spec.questions === 1) {
    const asked = spec.peer === 'plain' ? items : items.map((item) => ({ ...item, question: questions[0]! }));
    return { about, run: async () => (await model.encodeBatch(asked, { output: 'tower' }))[0]!.data, close };
  }
  const ask = (seen: Looked[]): Promise<VisualTokens[]> => {
    const pairs = seen.flatMap((image) => questions.map((question) => ({ image, question })));
    return model.encodeBatch(pairs, { output: 'tower' });
  };
  return {
    about,
    run: async () => {
      const seen = await Promise.all(items.map(({ image }) => model.look(image as Exclude<typeof image, Looked>)));
      const [tokens] = await ask(seen);
      for (const picture of seen) picture.dispose();
      return tokens!.data;
    },
    close,
  };
}

/** Up to the pixels that look() takes; what normalises them is folded into the patch embedding. */
function preprocessWork({ file = '', edge = 0 }: Spec): Promise<Work> {
  const config = parsePreprocessorConfig(
    {
      image_processor_type: 'CLIPImageProcessor',
      size: { shortest_edge: edge },
      crop_size: { height: edge, width: edge },
    },
    'preprocess',
  );
  const run = async (): Promise<Uint8Array> => (await prepareImage(file, config)).data;
  return Promise.resolve({ about: () => ({ versions }), run, close: () => Promise.resolve() });
}

async function askWork({ model: name = '', threads }: Spec): Promise<Work> {
  const model = await QAViT.load(name, { device: 'cpu', threads });
  const picture = path.join(root, 'models', 'demo', 'samples', 'digits.png');
  const run = async (): Promise<Uint8Array> => {
    let answer = '';
    for await (const text of model.ask(picture, 'what digit is on the red square?')) answer += text;
    return Buffer.from(answer);
  };
  return { about: () => ({ versions, weightBytes: model.info.memory.weightBytes }), run, close: () => model.close() };
}

function open(spec: Spec): Promise<Work> {
  switch (spec.kind) {
    case 'tower':
    case 'load':
      return towerWork(spec);
    case 'questions':
      return questionsWork(spec);
    case 'preprocess':
      return preprocessWork(spec);
    case 'ask':
      return askWork(spec);
    case 'kernels':
      throw new Error('Kernels are measured by bench/kernels.ts');
  }
}

void serve(open);
