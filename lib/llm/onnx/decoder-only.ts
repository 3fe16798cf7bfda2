import type { NextLogits } from '../answer';
import type { AnswerModel, Rows } from './answer-model';
import { Decoder } from './decoder';
import type { Embedding } from './embedding';
import type { OnnxFolder } from './onnx-folder';
import type { OnnxRuntime } from './onnx-runtime';
import type { ModelConfig } from '../model-config';

const INPUTS = {
  required: ['inputs_embeds'],
  known: {
    inputs_embeds: { type: 'float', rank: 3 },
    attention_mask: { type: 'int64', rank: 2 },
    position_ids: { type: 'int64', rank: 2 },
  },
};
const ROW_TYPES = { token_type_ids: { type: 'int64', rank: 2 } };

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
    { vocabularySize, positions, family }: Pick<ModelConfig, 'vocabularySize' | 'positions' | 'family'>,
  ): Promise<DecoderOnly> {
    const known = family?.language.typedRows ? { ...INPUTS.known, ...ROW_TYPES } : INPUTS.known;
    const decoder = await Decoder.open(runtime, files, vocabularySize, { ...INPUTS, known });
    return new DecoderOnly(runtime, embedding, decoder, positions ?? Infinity);
  }

  read(prompt: Rows): Promise<NextLogits> {
    const decoding = this.decoder.start();
    let seen = 0;
    const next: NextLogits = async (said) => {
      const { data, count, visual } = said === undefined ? prompt : await this.embedding.rows([said]);
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
        token_type_ids: this.runtime.integers(rowTypes(count, visual), [1, count]),
      });
    };
    return Promise.resolve(next);
  }
}

/** 1 for rows of a picture, 0 for those of words. */
function rowTypes(
  count: number,
  { starts, length }: NonNullable<Rows['visual']> = { starts: [], length: 0 },
): number[] {
  const types = new Array<number>(count).fill(0);
  for (const start of starts) types.fill(1, start, start + length);
  return types;
}
