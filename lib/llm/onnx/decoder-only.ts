import type { NextLogits } from '../answer';
import type { AnswerModel, Rows } from './answer-model';
import { Decoder } from './decoder';
import type { Embedding } from './embedding';
import type { OnnxFolder } from './onnx-folder';
import type { OnnxRuntime } from './onnx-runtime';

const INPUTS = {
  required: ['inputs_embeds'],
  known: {
    inputs_embeds: { type: 'float', rank: 3 },
    attention_mask: { type: 'int64', rank: 2 },
    position_ids: { type: 'int64', rank: 2 },
  },
};

/** Llama and its like: the answer goes on behind the prompt's rows. */
export class DecoderOnly implements AnswerModel {
  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly embedding: Embedding,
    private readonly decoder: Decoder,
    readonly positions: number,
  ) {}

  static async open(
    runtime: OnnxRuntime,
    files: OnnxFolder,
    embedding: Embedding,
    sizes: { vocabularySize: number; positions: number | undefined },
  ): Promise<DecoderOnly> {
    const decoder = await Decoder.open(runtime, files, sizes.vocabularySize, INPUTS);
    return new DecoderOnly(runtime, embedding, decoder, sizes.positions ?? Infinity);
  }

  read(prompt: Rows): Promise<NextLogits> {
    const decoding = this.decoder.start();
    let seen = 0;
    const next: NextLogits = async (said) => {
      const { data, count } = said === undefined ? prompt : await this.embedding.rows([said]);
      const positions = Array.from({ length: count }, (_, i) => seen + i);
      seen += count;
      return decoding.step({
        inputs_embeds: this.runtime.floats(
          data,
          [1, count, this.embedding.width],
          this.decoder.typeOf('inputs_embeds'),
        ),
        attention_mask: this.runtime.ones(seen),
        position_ids: this.runtime.integers(positions, [1, count]),
      });
    };
    return Promise.resolve(next);
  }
}
