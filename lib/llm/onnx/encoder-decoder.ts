import type { NextLogits } from '../answer';
import type { AnswerModel, Rows } from './answer-model';
import { Decoder } from './decoder';
import { checkInputs, checkOutput } from './graph-checks';
import type { OnnxFolder } from './onnx-folder';
import type { Graph, OnnxRuntime, Tensor } from './onnx-runtime';

const ENCODER_INPUTS = {
  inputs_embeds: { type: 'float32', rank: 3 },
  attention_mask: { type: 'int64', rank: 2 },
};
const DECODER_INPUTS = {
  required: ['input_ids'],
  known: {
    input_ids: { type: 'int64', rank: 2 },
    encoder_hidden_states: { type: 'float32', rank: 3 },
    encoder_attention_mask: { type: 'int64', rank: 2 },
  },
};

/** T5 and its like: the encoder reads the prompt once, the decoder looks at its rows from every token. */
export class EncoderDecoder implements AnswerModel {
  /** Positions are relative. */
  readonly positions = Infinity;

  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly encoder: Graph,
    private readonly decoder: Decoder,
    private readonly width: number,
    private readonly start: number,
  ) {}

  /** @param start the token that the decoder reads first */
  static async open(
    runtime: OnnxRuntime,
    files: OnnxFolder,
    sizes: { width: number; vocabularySize: number },
    start: number,
  ): Promise<EncoderDecoder> {
    const encoder = await runtime.open(files.pathOf('encoder_model'));
    checkInputs(encoder, ['inputs_embeds'], ENCODER_INPUTS);
    checkOutput(encoder, 'last_hidden_state', { type: 'float32', rank: 3 });
    const decoder = await Decoder.open(runtime, files, sizes.vocabularySize, DECODER_INPUTS);
    return new EncoderDecoder(runtime, encoder, decoder, sizes.width, start);
  }

  async encode(rows: Rows): Promise<Rows> {
    const states = await this.states(rows);
    return { data: states.data as Float32Array, count: rows.count };
  }

  async read(prompt: Rows): Promise<NextLogits> {
    const encoder_hidden_states = await this.states(prompt);
    const encoder_attention_mask = this.runtime.ones(prompt.count);
    const decoding = this.decoder.start();
    return (said = this.start) => {
      const input_ids = this.runtime.integers([said], [1, 1]);
      return decoding.step({ input_ids, encoder_hidden_states, encoder_attention_mask });
    };
  }

  private async states({ data, count }: Rows): Promise<Tensor> {
    const outputs = await this.encoder.run({
      inputs_embeds: this.runtime.floats(data, [1, count, this.width]),
      attention_mask: this.runtime.ones(count),
    });
    return outputs.last_hidden_state as Tensor;
  }
}
