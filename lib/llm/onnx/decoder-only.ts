import type { NextLogits } from '../answer';
import type { AnswerModel, Rows } from './answer-model';
import { Decoder } from './decoder';
import type { Embedding } from './embedding';
import type { OnnxFolder } from './onnx-folder';
import type { OnnxRuntime } from './onnx-runtime';
import { placesInGrid, placesInTurn } from './row-places';
import type { ModelConfig } from '../model-config';

const INPUTS = {
  required: ['inputs_embeds'],
  known: {
    inputs_embeds: { type: 'float', rank: 3 },
    attention_mask: { type: 'int64', rank: 2 },
    position_ids: { type: 'int64', rank: 2 },
  },
};
const PLACES = { position_ids: { type: 'int64', rank: 3 } };
const ROW_TYPES = { token_type_ids: { type: 'int64', rank: 2 } };

/** Llama and its like: the answer goes on behind the prompt's rows. */
export class DecoderOnly implements AnswerModel {
  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly embedding: Embedding,
    private readonly decoder: Decoder,
    readonly positions: number,
    private readonly placedRows: boolean,
  ) {}

  static async open(
    runtime: OnnxRuntime,
    files: OnnxFolder,
    embedding: Embedding,
    { vocabularySize, positions, family }: Pick<ModelConfig, 'vocabularySize' | 'positions' | 'family'>,
  ): Promise<DecoderOnly> {
    const { typedRows = false, placedRows = false } = family?.language ?? {};
    const known = { ...INPUTS.known, ...(typedRows && ROW_TYPES), ...(placedRows && PLACES) };
    const required = [...INPUTS.required, ...(placedRows ? Object.keys(PLACES) : [])];
    const decoder = await Decoder.open(runtime, files, vocabularySize, { required, known });
    return new DecoderOnly(runtime, embedding, decoder, positions ?? Infinity, placedRows);
  }

  read(prompt: Rows): Promise<NextLogits> {
    const decoding = this.decoder.start();
    let seen = 0;
    let place = 0;
    const next: NextLogits = async (said) => {
      const { data, count, visual } = said === undefined ? prompt : await this.embedding.rows([said]);
      const placed = this.placedRows ? placesInGrid(place, count, visual) : placesInTurn(place, count);
      place = placed.next;
      seen += count;
      return decoding.step({
        inputs_embeds: this.runtime.floats(
          data,
          [1, count, this.embedding.width],
          this.decoder.typeOf('inputs_embeds'),
        ),
        attention_mask: this.runtime.ones(seen),
        position_ids: this.runtime.integers(placed.places, this.placedRows ? [3, 1, count] : [1, count]),
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
