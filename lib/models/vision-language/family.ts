import type { ActivationName } from '../../binding/native';
import type { Squares } from '../../blocks/projector';
import type { Grid } from '../../grid';
import type { JsonObject } from '../../json-file';

/**
 * A kind of vision-language model as a record: what is taken from its tower, how that is projected, and how its language model is
 * spoken to. Nothing here reads files or weights, so that both halves can be looked up wherever they are needed.
 */
export interface VisionLanguageFamily {
  /** For people: `LLaVA`. */
  readonly name: string;
  readonly modelType: string;
  /** What the tensors of the vision half are called: those of the language half are not read, and may be elsewhere. */
  readonly visionTensors: RegExp;
  /**
   * @param config a config.json of this model_type
   * @throws QAViTError ERR_UNSUPPORTED for a variant that cannot be built, ERR_FORMAT for a field that makes no sense
   */
  describeVision(config: JsonObject, path: string): VisionHalf;
  readonly language: LanguageHalf;
}

/** From a picture to rows of the language model's width. */
export interface VisionHalf {
  /** The fields of the tower, its model_type among them. */
  readonly tower: JsonObject;
  /** As in transformers' hidden_states. */
  readonly hiddenLayer: number;
  /** False: the class token stays behind. */
  readonly keepClass: boolean;
  /** The tower's last norm, behind the prefix of its tensors, where what is taken passes it. */
  readonly towerNorm?: string;
  readonly projector: ProjectorShape;
}

export interface ProjectorShape {
  /** What its tensors' names begin with, behind whatever a file puts in front. */
  readonly name: string;
  /** Its linear maps, in order. */
  readonly maps: readonly [string] | readonly [string, string];
  readonly bias: boolean;
  /** Whether its map is a matrix [inputs, outputs] of that very name. */
  readonly transposed?: boolean;
  /** Between two of them. */
  readonly activation: ActivationName;
  /** Squares of patches that are projected as one; absent: each is projected by itself. */
  readonly squares?: Squares;
  /** Of the rows that are projected: a layer norm, or an RMS norm that multiplies by 1 + its weight; or a layer norm of each patch before. */
  readonly norm?: { readonly name: string; readonly eps: number; readonly kind?: 'rms' | 'of patches' };
  /** Where projected rows are laid out in lines: the tensor that ends a line, beside the projector's, and as `Lines` has it. */
  readonly lines?: { readonly newline: string; readonly mostTiles?: number };
}

export interface LanguageHalf {
  /** The model_type of its text_config, where that says none. */
  readonly model: string;
  /** Whether files of before transformers 5 have its fields beside the vision half's, in no text_config. */
  readonly flat?: boolean;
  /** The token that stands for the picture, where config.json does not say. */
  readonly imageToken: number;
  /** How a question is put where the folder has no chat template, around `{image}` and `{question}`. */
  readonly prompt: string;
  /** Whether that, and a folder's `prompt_template`, has the beginning of the text in it, which the tokenizer then does not put in front. */
  readonly begun?: boolean;
  /** What chat templates write for a picture, where it is not the token that `picture` has. */
  readonly inTemplates?: string;
  /**
   * Whether the embedding layer multiplies its table's rows. Decoders of before transformers 5 multiply what they are given instead,
   * visual tokens too.
   */
  readonly scaledRows?: boolean;
  /** Whether decoders are told which rows are the picture's (`token_type_ids` 1), because these see each other in both directions. */
  readonly typedRows?: boolean;
  /**
   * Whether decoders are told of each row three places, of which those of a picture's rows are in lines and columns
   * (`position_ids` [3, B, T]).
   */
  readonly placedRows?: boolean;
  /**
   * What stands for a picture wherever the template has its token: the token `image` with what belongs around it, and where visual tokens
   * of tiles and whole do not follow each other, as often as there are of these. Absent: the token alone, for a model that was never
   * shown tiles.
   */
  picture?(image: string, tiles?: Grid): string;
}
