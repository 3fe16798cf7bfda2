/** The public types of the model API. Symbols: M visual tokens (class token included), K question tokens, N tokens handed over. */
import type { CpuIsa, DeviceMemory, MatrixDType } from '../binding/native';
import type { DeviceName } from '../binding/open-device';
import type { Grid } from '../grid';
import type { DownloadProgress } from '../hub';
import type { ImageInput, ImageLimits, Tiles } from '../image';
import type { ResizeRule, Size } from '../image/geometry';
import type { OnnxDType } from '../llm/onnx/onnx-folder';
import type {
  AnswerEnd,
  GenerateOptions,
  LanguageModel,
  QuestionFeatures,
  VisualTokens as ModelTokens,
} from '../llm/language-model';
import type { VllmServer } from '../llm/vllm/server';

export type { DownloadProgress };

/** Where a model's parts lie: folders, or names of models at a hub (`org/name`, `org/name@revision`). */
export interface ModelFolders {
  /**
   * Vision tower: an unchanged Hugging Face folder; docs/models.md lists which. A vision-language model's (LLaVA, SmolVLM) brings its projector
   * too; its language half is used where `language` names the folder again.
   */
  tower: string;
  /** QA-ViT adapter; without one the tower answers alone and takes no questions. */
  adapter?: string;
  /**
   * Language model: a folder; or a vLLM server, by its address with the model's name behind # (`http://host:8000/v1#llava`) or by its
   * settings. Without one there is no `ask`.
   */
  language?: string | VllmServer;
  /**
   * Folder of the model that reads questions in words for the adapter, where the language model does not: beside a server, or beside a
   * language model that the adapter was not trained with. Without either, questions come as features.
   */
  questions?: string;
}

/** That each picture is seen whole, in its own shape: in whole patches, as large as it can be with at most so many. */
export interface OwnShapes {
  maxPatches: number;
}

export interface LoadOptions {
  /**
   * `auto` (the default) takes the first GPU where there is one, else the CPU, and says so in `info`; every other choice is that
   * device or an error. `cuda` is `cuda:0`. A T5 that qavit computes is on the tower's GPU too unless `languageDevice` says otherwise;
   * ONNX files are on the CPU.
   */
  device?: DeviceName;
  /**
   * Where a T5 that qavit computes is, by the same names: `cpu` leaves a GPU's memory to the tower. Default: where the tower is. A GPU
   * for a language model that is none (ONNX files, a server) is ERR_UNSUPPORTED.
   */
  languageDevice?: DeviceName;
  /**
   * What matrices are computed in; `auto` (the default) is the fastest float of the device. `int8` (CPU) keeps the tower's linear maps
   * in a byte a weight and rounds what they are given to 8 bits, token by token: faster, smaller, less exact, and never chosen by itself.
   * A T5 that qavit computes takes the same, or its device's fastest float where that is `auto`, `int8` or `f16`.
   */
  dtype?: 'auto' | MatrixDType;
  /**
   * Which of a language model's ONNX files, by transformers.js's names of precisions, where its folder has several: `q4` takes
   * `decoder_model_merged_q4.onnx`. `auto`, the default, is the most exact.
   */
  languageDType?: 'auto' | OnnxDType;
  /** Whether padded question tokens are hidden (`mask`, the default) or act as keys (`attend`, as in the published figures). */
  padding?: 'mask' | 'attend';
  /** Compute threads, 1..256. Default: the cores this process may use. */
  threads?: number;
  /** Which state to take from the tower, as in transformers' hidden_states (-1 the last); overrides the adapter's. */
  hiddenLayer?: number;
  /** Whether the class token, and registers where there are some, are handed over; overrides the adapter's. */
  keepClass?: boolean;
  /**
   * Of the pictures the tower takes, pixels, 1..4096: the side of squares, or width and height; unless given, what the adapter was trained
   * on, or else what the tower's folder says. For another size than the tower was trained on its position table is interpolated, as
   * transformers' interpolate_pos_encoding does, and preprocessor_config.json's resize and crop are scaled to it.
   *
   * `{ maxPatches }`: each picture whole, in its own shape, of at most so many patches; for SigLIP 2's NaFlex towers that is the default.
   */
  imageSize?: number | Size | OwnShapes;
  /**
   * How many tiles a picture is cut into at most, 0..100, each of which goes through the tower as the whole does: what is small in it is
   * seen, for so many times the work. For models trained with tiles (Idefics3, SmolVLM, InternVL, LLaVA-NeXT, LLaVA-OneVision), cut as transformers
   * does; `auto`: into as many as the model's processor would. Default 0: only the whole.
   */
  tiles?: number | 'auto';
  /**
   * Hand over so many visual tokens, 1..N, those that the adapter rates highest for the question, in their order: a language model reads fewer
   * rows. Needs an adapter that was trained with a token selector. Default: all.
   */
  visualTokens?: number;
  /**
   * Calls that may be under way at once, 1..2^31: one more is refused with ERR_BUSY, at once, so that a server can send its client away
   * instead of letting a queue grow. An `ask` counts until its last piece is taken. Default: no limit.
   */
  maxPending?: number;
  /** What one picture may cost; see ImageLimits for what it may unless told. */
  limits?: ImageLimits;
  /** Models named as at a hub (`org/name`): take what is in the cache or fail, and ask no server. So does HF_HUB_OFFLINE=1. */
  offline?: boolean;
  /** Told how far the download of a model is, ten times a second. */
  onProgress?: (progress: DownloadProgress) => void;
  signal?: AbortSignal;
}

export interface CallOptions {
  /** Ends the call early with ERR_ABORTED. */
  signal?: AbortSignal;
}

export interface EncodeOptions extends CallOptions {
  /** `projected`: [N, E], what the language model takes, the default where there is a projector; `tower`: [N, C]. */
  output?: 'projected' | 'tower';
  /** As `visualTokens` of the load options, which it overrides for this call. */
  visualTokens?: number | 'all';
}

/**
 * How the answer is written, and for models with a chat template what is said around picture and question (`system`, `before`). How the
 * question is read is the adapter's to say, or the chat template's.
 */
export type AnswerOptions = Omit<GenerateOptions, 'question'>;

export interface AskOptions extends AnswerOptions {
  /** False: the tower does not hear the question; the language model reads its words all the same. Default true. */
  questionAware?: boolean;
  /** As `visualTokens` of the load options, which it overrides for this answer. */
  visualTokens?: number | 'all';
}

/** How an answer ended, and what it took. */
export type { AnswerEnd };

/** Question features made elsewhere: data, row-major, of shape [K, Dq]. */
export type { QuestionFeatures };

/** A question in words (needs a language model, or `questions`), as features, or none: the plain tower. */
export type QuestionInput = string | QuestionFeatures | null;

/** Visual tokens of one picture under one question. */
export interface VisualTokens extends ModelTokens {
  /** Row-major. */
  data: Float32Array;
  /**
   * [N, E], or [N, C] for the tower's own, with the picture's own N where each has a shape of its own; of a picture in T tiles (T + 1) N
   * rows, those of the whole last. Projected rows of LLaVA-NeXT's kind are laid out in lines: docs/models.md says how many there are.
   */
  shape: [number, number];
  /** sha-256, hex: the same for the same pixels, question, weights and settings. */
  key: string;
  /** Which of the tokens that could be handed over these are, ascending, where `visualTokens` leaves some out. */
  kept?: Uint32Array;
}

export interface BatchItem {
  image: ImageInput | Looked;
  question: QuestionInput;
  /** As `visualTokens` of the call's options, which it overrides for this pair. */
  visualTokens?: number | 'all';
}

/** A picture as the tower sees it: RGB, resized and cropped. */
export interface Picture {
  /** The whole, HWC. */
  data: Uint8Array;
  width: number;
  height: number;
  /** What it was cut into besides: u8 [rows * columns, height, width, 3], row by row. Absent: nothing. */
  tiles?: Tiles;
}

/**
 * A picture that went through the layers below the first fused one; any number of questions can go on from it. Its memory lies on the
 * device until it is disposed or garbage-collected.
 */
export interface Looked extends Disposable {
  readonly picture: Picture;
  /** Device memory held; 0 once disposed. */
  readonly bytes: number;
  dispose(): void;
}

/** Where one fused layer looks. */
export interface LayerMap {
  layer: number;
  /** tanh(beta): how much of the question-aware projection is added to the frozen one. */
  gate: number;
  /** Share of each visual token's attention that goes to each question token, mean over heads, row-major [M, K]. */
  attention: { data: Float32Array; shape: [number, number] };
}

/** What a question does inside the tower, in the whole picture; tiles are left out. */
export interface AttentionMaps {
  layers: LayerMap[];
  /** ||with question - plain|| / ||plain|| of each visual token's feature (L2), M numbers; class token and registers come first. */
  difference: Float32Array;
  /**
   * How highly the adapter rates each visual token for this question, where it has a token selector: N numbers, of all tokens that can be
   * handed over, in their order. `visualTokens` takes the highest.
   */
  ratings?: Float32Array;
  /** Patches of a picture; M = rows * columns, and the class token and registers before them. */
  grid: Grid;
  hasClass: boolean;
  picture: Picture;
}

/** What was loaded, and where to. */
export interface ModelInfo {
  device: {
    kind: 'cpu' | 'reference' | 'cuda';
    name: string;
    isa: CpuIsa | '';
    /** That compute; 1 on a GPU, whose work one thread hands over. */
    threads: number;
    /** Which of several GPUs; absent elsewhere. */
    ordinal?: number;
  };
  dtype: MatrixDType;
  padding: 'mask' | 'attend';
  folders: ModelFolders;
  /** Which kind of tower: `CLIP`, `SigLIP`, ... */
  family: string;
  /** Which kind of vision-language model the tower's folder is: `LLaVA`; null for a tower alone. */
  visionLanguage: string | null;
  /** Files that a vision-language model's folder lacks to answer by itself; empty where there is a language model, and for others. */
  missingFiles: readonly string[];
  /**
   * Of the pictures the tower takes, pixels. Where each has a shape of its own, that of a square one, as is `grid`; `M`, `N` and
   * `allTokens` are then what a picture has at most.
   */
  image: Size;
  /** Patches that a picture consists of at most, where each has a shape of its own; null where all have the size `image`. */
  maxPatches: number | null;
  /** How patches are told apart: by a position table, by turning queries and keys (rotary position embedding), or by either. */
  positions: 'table' | 'rotary' | 'both';
  /** Of those that its position table was made for, pixels; for another `image` the table is interpolated. */
  trainedImage: Size;
  /** How a picture becomes the tower's pixels: resized, then cropped in its middle, each unless null. Tells which part of it a patch is. */
  preprocessing: { resize: ResizeRule | null; crop: Size | null };
  /** Side of a patch, pixels. */
  patch: number;
  /** Of the patches. */
  grid: Grid;
  hasClass: boolean;
  /** Register tokens, between class token and patches. */
  registers: number;
  /** Visual tokens in the tower. */
  M: number;
  /** Visual tokens handed over, of the whole picture and of each tile; of LLaVA-NeXT's kind of the whole alone, its newline included. */
  N: number;
  /** Tiles that a picture is cut into at most, besides the whole. */
  tiles: number;
  /** Whether the adapter has a token selector, so that fewer can be asked for. */
  selectsTokens: boolean;
  /** Visual tokens there are to hand over; N is less where `visualTokens` of the load options says so. */
  allTokens: number;
  /** Tower width. */
  C: number;
  /** Heads. */
  H: number;
  /** Layers of the tower. */
  L: number;
  /** Layers computed; fewer than L where an earlier state is taken. */
  layersComputed: number;
  /** Question width; null without an adapter. */
  Dq: number | null;
  /** Whether questions in words reach the tower: there is an adapter, and a model that reads them for it. */
  readsQuestions: boolean;
  /** Language-model width; null without a projector. */
  E: number | null;
  fusedLayers: number[];
  /** tanh(beta) of each fused layer. */
  gates: number[];
  language: LanguageModel['info'] | null;
  /** Memory held on the device right now, bytes. */
  memory: DeviceMemory;
}
