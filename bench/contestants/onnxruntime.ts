/** onnxruntime-node on the tower that PyTorch exported. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { root } from '../support/machine';
import { readInputs } from './inputs';
import { serve, type Work } from './serve';
import type { Spec } from './spec';

/** transformers.js' names for the two files. */
const FILES = { f32: 'vision_model.onnx', int8: 'vision_model_quantized.onnx' } as const;

async function open(spec: Spec): Promise<Work> {
  const { directory = '', dtype, threads, images = 1 } = spec;
  const file = path.join(directory, 'exported', 'onnx', FILES[dtype === 'int8' ? 'int8' : 'f32']);
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, graphOptimizationLevel: 'all' } as const;
  const session = await InferenceSession.create(file, options);
  const { edge, pixels } = readInputs(spec);
  const input = new Tensor('uint8', pixels, [images, edge, edge, 3]);
  const manifest = readFileSync(path.join(root, 'node_modules', 'onnxruntime-node', 'package.json'), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return {
    about: () => ({ versions: { 'onnxruntime-node': version, node: process.version } }),
    run: async () => {
      const { last_hidden_state: tokens } = await session.run({ pixel_values: input });
      return tokens!.data as Float32Array;
    },
    close: () => session.release(),
  };
}

void serve(open);
