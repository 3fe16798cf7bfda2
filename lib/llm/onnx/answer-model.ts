import type { Grid } from '../../grid';
import type { NextLogits } from '../answer';

/** Rows of E numbers, one behind the other. */
export interface Rows {
  data: Float32Array;
  count: number;
  /** Of a prompt: where the runs of visual tokens begin, how long each is, and in which grid they are, where that is known. */
  visual?: { readonly starts: readonly number[]; readonly length: number; readonly grid?: Grid };
}

/** A language model's graphs behind the embedding table. */
export interface AnswerModel {
  /** How many rows and tokens fit together. */
  readonly positions: number;
  /** Reads the prompt, visual rows included. */
  read(prompt: Rows): Promise<NextLogits>;
  /** The last hidden state of the encoder, K x E; absent where there is none. */
  encode?(rows: Rows): Promise<Rows>;
}
