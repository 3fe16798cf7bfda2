import type { DeviceName } from '../binding/open-device';
import type { Grid } from '../grid';
import type { QuestionNormalization } from '../text/normalize-question';
import type { OnnxDType } from './onnx/onnx-folder';
import type { Framing } from './prompt';

/** What a tower hands to a language model: N rows of E numbers. */
export interface VisualTokens {
  /** Row-major, finite. */
  data: Float32Array;
  /** [N, E] */
  shape: [number, number];
  /** Names picture, question and weights together, for caches. */
  key?: string;
  /**
   * Of a picture that was cut: equally many rows for each tile, row by row, and then for the whole. Of LLaVA-NeXT's kind those of the whole
   * come first, and those of the tiles in the lines of the picture.
   */
  tiles?: { rows: number; columns: number };
  /**
   * Of the picture's patches, where each picture has a shape of its own, or where the language model is told where rows are (Qwen2-VL); of
   * several the projector may make one token.
   */
  grid?: Grid;
}

/** What a question is to the fused layers of a tower: K rows of Dq numbers. */
export interface QuestionFeatures {
  data: Float32Array;
  /** [K, Dq] */
  shape: [number, number];
}

/** How text becomes question features; the adapter's `question` settings. */
export interface QuestionEncoding {
  /** The last hidden state of the language model's encoder over the question alone, or rows of its embedding table. */
  features: 'encoder' | 'embedding';
  normalization: QuestionNormalization;
  /** K at most, special tokens included. */
  maxTokens: number;
}

/** Besides what is written here `system` and `before`, for models with a chat template. */
export interface GenerateOptions extends Framing {
  /** At most so many tokens; 30 unless told, as published. */
  maxNewTokens?: number;
  /** 0, the default, always takes the likeliest token; above it, tokens are drawn with probabilities softmax(logits / temperature). */
  temperature?: number;
  /** Draw only among so many of the likeliest tokens; 0, the default, draws among all. */
  topK?: number;
  /** Of these, draw only among the likeliest that together reach this probability; 1, the default, draws among all. */
  topP?: number;
  /** The first of these that appears in the answer ends it, and is not part of it; no token is computed after it. */
  stop?: readonly string[];
  /** A non-negative safe integer; equal seeds give equal draws. A fresh one unless told. */
  seed?: number;
  /** How the question is read; unless told, as it is and in full. The published model reads it as its adapter does. */
  question?: Partial<Pick<QuestionEncoding, 'normalization' | 'maxTokens'>>;
  signal?: AbortSignal;
}

/** How an answer ended, and what it took. */
export interface AnswerEnd {
  /** `stop`: the model had said all, or a stop sequence; `length`: it was cut after the tokens it was allowed. */
  finish: 'stop' | 'length';
  /** Rows that the language model read before it answered, visual tokens included. Absent where only a server knows. */
  promptTokens?: number;
  /** Tokens of the answer; the one that ends it is not counted. Absent where only a server knows. */
  answerTokens?: number;
}

export interface LanguageModelInfo {
  /** The model's folder, or a server's address and the model's name there. */
  readonly path: string;
  readonly kind: 'encoder-decoder' | 'decoder-only';
  /** E: what visual tokens must be wide. */
  readonly width: number;
  /** Dq: how wide question features are; null where it makes none. */
  readonly questionWidth: number | null;
  /** Null where only a server knows. */
  readonly vocabularySize: number | null;
  /** Which kind of vision-language model it is the language half of; absent for a plain one. Such a model is asked in its own way. */
  readonly visionLanguage?: string;
  /** So many answers are written together in little more time than one takes; absent where each takes its time from the others. */
  readonly answersTogether?: number;
}

/** Of a model whose files are here. */
export interface LocalModelInfo extends LanguageModelInfo {
  readonly questionWidth: number;
  readonly vocabularySize: number;
}

/** Turns questions into features for the fused layers of a tower. */
export interface QuestionReader {
  /** A folder or server, and Dq. */
  readonly info: Pick<LanguageModelInfo, 'path' | 'questionWidth'>;

  /**
   * Features K x Dq of a question for the fused layers of a tower, K <= `how.maxTokens`.
   *
   * @throws QAViTError ERR_ARGUMENT (nothing left of the question, unknown settings), ERR_UNSUPPORTED (`encoder` of a model without
   *   one), ERR_ABORTED, ERR_OUT_OF_MEMORY, ERR_DEVICE
   */
  encodeQuestion(
    question: string,
    how: QuestionEncoding,
    options?: { signal?: AbortSignal },
  ): Promise<QuestionFeatures>;

  /** Stops what runs and frees its memory. May be called any number of times. */
  close(): Promise<void>;
}

/**
 * Reads visual tokens and a question, writes an answer. Any number of calls may run at once.
 *
 * An idle model does not keep the process alive. After `close()` every call fails. When the process of a model in ONNX files ends by itself,
 * the calls under way fail with ERR_DEVICE, and the next one starts another.
 */
export interface LanguageModel extends QuestionReader {
  readonly info: LanguageModelInfo;

  /**
   * The answer, piece by piece; the pieces joined are the whole answer, and what the generator returns says how it ended, unless it was left. Work starts with
   * the first piece asked for; leaving the loop stops it. The question may be empty: a model that was trained to can describe the picture alone.
   *
   * @throws QAViTError ERR_SHAPE (not N x E), ERR_ARGUMENT (options, numbers that are not finite), ERR_ABORTED (the signal, or
   *   `close()`), ERR_OUT_OF_MEMORY, ERR_DEVICE
   */
  generate(
    tokens: VisualTokens,
    question: string,
    options?: GenerateOptions,
  ): AsyncGenerator<string, AnswerEnd | void, void>;
}

export interface LoadLanguageModelOptions {
  /** Where a T5 is computed that qavit runs itself; the CPU unless told. ONNX files are on the CPU wherever that is. */
  device?: DeviceName;
  /** Threads of one computation; as many as the process may use unless told. */
  threads?: number;
  /** What a T5 is computed in that qavit runs itself; `auto`, the default, is the fastest. ONNX files say it themselves. */
  dtype?: 'auto' | 'f32' | 'bf16';
  /** Which of several ONNX files of a graph; `auto`, the default, is the most exact. Wrong where a folder has none at all. */
  onnxDType?: OnnxDType | 'auto';
  /** Ends the loading early with ERR_ABORTED. */
  signal?: AbortSignal;
}
