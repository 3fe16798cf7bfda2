import type { QuestionNormalization } from '../text/normalize-question';
import { checkLoad } from './checks';
import { OnnxLanguageModel } from './onnx/onnx-language-model';
import { isT5Folder } from './t5/t5-folder';
import { T5LanguageModel } from './t5/t5-language-model';

/** What a tower hands to a language model: N rows of E numbers. */
export interface VisualTokens {
  /** Row-major, finite. */
  data: Float32Array;
  /** [N, E] */
  shape: [number, number];
  /** Names picture, question and weights together, for caches. */
  key?: string;
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

export interface GenerateOptions {
  /** At most so many tokens; 30 unless told, as published. */
  maxNewTokens?: number;
  /** 0, the default, always takes the likeliest token; above it, tokens are drawn with probabilities softmax(logits / temperature). */
  temperature?: number;
  /** Draw only among the likeliest tokens that together reach this probability; 1, the default, draws among all. */
  topP?: number;
  /** A non-negative safe integer; equal seeds give equal draws. A fresh one unless told. */
  seed?: number;
  /** How the question is read; unless told, as it is and in full. The published model reads it as its adapter does. */
  question?: Partial<Pick<QuestionEncoding, 'normalization' | 'maxTokens'>>;
  signal?: AbortSignal;
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
 * An idle model does not keep the process alive. After `close()`, and when the model's process has ended by itself, every call fails.
 */
export interface LanguageModel extends QuestionReader {
  readonly info: LanguageModelInfo;

  /**
   * The answer, piece by piece; the pieces joined are the whole answer. Work starts with the first piece asked for; leaving the loop
   * stops it. The question may be empty: a model that was trained to can describe the picture alone.
   *
   * @throws QAViTError ERR_SHAPE (not N x E), ERR_ARGUMENT (options, numbers that are not finite), ERR_ABORTED (the signal, or
   *   `close()`), ERR_OUT_OF_MEMORY, ERR_DEVICE
   */
  generate(tokens: VisualTokens, question: string, options?: GenerateOptions): AsyncIterable<string>;
}

export interface LoadLanguageModelOptions {
  /** Threads of one computation; as many as the process may use unless told. */
  threads?: number;
  /** What a T5 is computed in that qavit runs itself; `auto`, the default, is the fastest. ONNX files say it themselves. */
  dtype?: 'auto' | 'f32' | 'bf16';
}

/**
 * Opens a language model's folder, of one of two kinds:
 *
 * - a T5 or mT5 as Hugging Face publishes it: `config.json`, `tokenizer.json`, and its weights in safetensors or `pytorch_model.bin`.
 *   qavit computes it itself, on the CPU;
 * - ONNX files in the form that Hugging Face's exporters write, of any language model: `config.json`, `tokenizer.json`,
 *   `embed_tokens.onnx`, `encoder_model.onnx` for encoder-decoders, and either `decoder_model_merged.onnx` or `decoder_model.onnx`
 *   with `decoder_with_past_model.onnx`. A folder with ONNX files is this, a T5's too.
 *
 * Either may have a `generation_config.json`.
 *
 * @throws QAViTError ERR_ARGUMENT (no such folder), ERR_FORMAT (a file is missing, damaged, or has other inputs than expected),
 *   ERR_UNSUPPORTED (a model that needs more than visual tokens and text; onnxruntime-node is not installed), ERR_OUT_OF_MEMORY
 */
export async function loadLanguageModel(dir: string, options: LoadLanguageModelOptions = {}): Promise<LanguageModel> {
  checkLoad(dir, options);
  return (await isT5Folder(dir)) ? T5LanguageModel.load(dir, options) : OnnxLanguageModel.load(dir, options);
}
