/** transformers.js on the same ONNX files, from disk alone. */
import { readInputs } from './inputs';
import { serve, type Work } from './serve';
import type { Spec } from './spec';

async function open(spec: Spec): Promise<Work> {
  const { directory = '', dtype, threads, images = 1 } = spec;
  // By import(): its types are a module's.
  const { CLIPVisionModel, env, Tensor } = await import('@huggingface/transformers');
  env.allowRemoteModels = false;
  env.localModelPath = directory;
  const model = await CLIPVisionModel.from_pretrained('exported', {
    dtype: dtype === 'int8' ? 'q8' : 'fp32',
    device: 'cpu',
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
    local_files_only: true,
  });
  const { edge, pixels } = readInputs(spec);
  const input = new Tensor('uint8', pixels, [images, edge, edge, 3]);
  return {
    about: () => ({ versions: { '@huggingface/transformers': env.version, node: process.version } }),
    run: async () => {
      const { last_hidden_state: tokens } = (await model({ pixel_values: input })) as {
        last_hidden_state: { data: unknown };
      };
      return tokens.data as Float32Array;
    },
    close: async () => void (await model.dispose()),
  };
}

void serve(open);
