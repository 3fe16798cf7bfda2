import path from 'node:path';
import { expected, expectedButFound } from '../errors';
import {
  atSize,
  inOwnShapes,
  normalization,
  preparedSize,
  type PreprocessorConfig,
  type PreprocessorFile,
  readPreprocessorConfig,
  shapesOf,
  withTiles,
} from '../image';
import { resizedSize, type ResizeRule, type Size } from '../image/geometry';
import { type JsonObject, readJsonObject } from '../json-file';
import type { TrainedOn } from '../models/adapter-config';
import { integerBetween } from '../models/config-values';
import { MAX_IMAGE_SIZE, patchesOf, type Tower, tokensBeforePatches } from '../models/tower';
import type { TowerArchitecture } from '../models/towers';
import { takeNorm } from '../models/stored-affine';
import { transformerTower } from '../models/transformer-tower';
import { describeFolder, type DescribedFolder } from '../models/vision-language/describe-folder';
import { visionTensors } from '../models/vision-language';
import { openLanguageProjector } from '../models/vision-language/open-projector';
import type { Taken } from '../models/qavit';
import { NamedTensors, type TensorFolder } from '../weights';
import type { OwnShapes } from './types';

/** 1 GiB: twice what squares of MAX_IMAGE_SIZE in patches of 14 have in the widest tower. Interpolating as many takes seconds. */
const MAX_TABLE = 2 ** 28;

export interface TowerOptions {
  /**
   * Of the pictures, or the side of squares, or of how many patches each consists at most, in its own shape; unless given, what an adapter
   * was trained on, or else the tower's own.
   */
  readonly imageSize?: number | Size | OwnShapes;
  /** The former. */
  readonly trainedOn?: TrainedOn;
  /** How many tiles a picture is cut into at most; none unless given. */
  readonly tiles?: number | 'auto';
  /** False keeps every published operation apart, for tests of the folds. */
  readonly folds?: boolean;
}

/** A tower described, and how its pictures are prepared. */
export interface OpenTower {
  readonly tower: Tower;
  readonly preprocessor: PreprocessorConfig;
  /** What config.json says. */
  readonly config: JsonObject;
  /** The vision-language model that it is part of; absent for a tower alone. */
  readonly whole?: OpenWhole;
}

/** What a vision-language model takes from its tower, and how it goes on. */
export interface OpenWhole {
  /** For people: `LLaVA`. */
  readonly name: string;
  /** Whether its language model is told where in the picture rows are. */
  readonly placedRows: boolean;
  readonly taken: Required<Taken>;
  /** E */
  readonly languageWidth: number;
}

/** Opens a folder's tensors: all, or at least those whose names match. */
export type OpenTensors = (directory: string, wanted?: RegExp) => Promise<TensorFolder>;

/**
 * @param directory of a tower, or of a model that it is part of, whose language half is left alone
 * @throws QAViTError ERR_FORMAT, ERR_SHAPE, ERR_DTYPE or ERR_UNSUPPORTED, naming file and field or tensor; ERR_ARGUMENT for a size of
 *   pictures without a single patch, ERR_UNSUPPORTED for one with too many, and for tiles of a model that has none
 */
export async function openTower(
  directory: string,
  { tiles = 0, folds = true, ...sizes }: TowerOptions,
  open: OpenTensors,
): Promise<OpenTower> {
  const file = path.join(directory, 'config.json');
  const config = await readJsonObject(file);
  const { architecture, whole } = describeFolder(config, file);
  const prepared = await readPreprocessorConfig(directory, config.model_type);
  const side = whole?.vision.projector.squares?.side ?? architecture.squares ?? 1;
  const { image, sized } = pictures(sizes, { architecture, prepared, side, file });
  expectPossible(architecture, image, whereSized(sizes, prepared) ?? file);
  const preprocessor = withTiles(sized, tiles);
  const folder = await open(directory, visionTensors(config));
  const tensors = NamedTensors.behindPrefix(folder, architecture.names.kernels);
  const how = { image, sizes: shapesOf(preprocessor) ? 'several' : 'one', folds } as const;
  const tower = transformerTower(architecture, tensors, normalization(preprocessor), how);
  return {
    tower,
    preprocessor,
    config,
    whole: whole && openWhole(whole, { tower, eps: architecture.eps, tensors, folder, file }),
  };
}

interface Described {
  readonly architecture: TowerArchitecture;
  readonly prepared: PreprocessorFile;
  /** Of squares of patches that are taken together. */
  readonly side: number;
  /** config.json */
  readonly file: string;
}

/** Which size the tower's pictures have, and how they come by it. In shapes of their own: that of a square one. */
function pictures(sizes: Omit<TowerOptions, 'tiles' | 'folds'>, described: Described) {
  const { architecture, prepared } = described;
  const sized = ownShapes(sizes, described);
  if (sized?.resize) return { image: mostOf(sized.resize.rule), sized };
  const asked = sizeAsked(sizes, architecture);
  const image = asked ?? ownSize(architecture, prepared, `image_size ${architecture.image} of ${described.file}`);
  return { image, sized: asked ? atSize(prepared.config, asked) : prepared.config };
}

/** What becomes of a square that is large enough for all patches; SigLIP 2's rule finds no scale for one that is much larger. */
function mostOf(rule: ResizeRule): Size {
  const edge = rule.kind === 'nearest-patches' ? Math.ceil(Math.sqrt(rule.most)) : MAX_IMAGE_SIZE;
  return resizedSize({ width: edge, height: edge }, rule);
}

/** Patches that are projected together are one here: there have to be as many in every row and column. */
function ownShapes(
  { imageSize, trainedOn }: TowerOptions,
  { architecture, prepared, side, file }: Described,
): PreprocessorConfig | undefined {
  const patch = architecture.patch * side;
  const asked = imageSize ?? trainedOn?.size;
  if (typeof asked === 'object' && 'maxPatches' in asked) {
    const patches = Math.floor(asked.maxPatches / side ** 2);
    if (patches >= 1) return inOwnShapes(prepared.config, { patch, patches });
    const [code, where] = whoAsks({ imageSize, trainedOn }, 'option maxPatches of imageSize');
    throw expectedButFound(code, `at least ${side ** 2}`, where, `${asked.maxPatches}`);
  }
  const shapes = asked === undefined ? shapesOf(prepared.config) : undefined;
  if (!shapes || shapes.patch === patch) return shapes && prepared.config;
  if (shapes.patch === architecture.patch) {
    return inOwnShapes(prepared.config, { patch, patches: Math.max(1, Math.floor(shapes.patches / side ** 2)) });
  }
  const where = `patch_size${side === 1 ? '' : ' times merge_size'} of ${prepared.file}`;
  throw expected('ERR_FORMAT', `${patch}, as of ${file},`, where, shapes.patch);
}

/** Whose fault an impossible size is. */
function whoAsks({ imageSize, trainedOn }: TowerOptions, option: string) {
  return imageSize === undefined && trainedOn
    ? (['ERR_FORMAT', trainedOn.where] as const)
    : (['ERR_ARGUMENT', option] as const);
}

interface WholeFiles {
  readonly tower: Tower;
  /** Of the tower's norms. */
  readonly eps: number;
  /** The tower's. */
  readonly tensors: NamedTensors;
  readonly folder: TensorFolder;
  readonly file: string;
}

function openWhole(
  { family, vision }: NonNullable<DescribedFolder['whole']>,
  { tower, eps, tensors, folder, file }: WholeFiles,
): OpenWhole {
  const { hiddenLayer, keepClass } = vision;
  const { layers, width } = tower;
  integerBetween(-layers.length - 1, layers.length, hiddenLayer, `vision_feature_layer of ${file}`);
  const before = tokensBeforePatches(tower);
  // transformers drops the first token, whatever it is: a patch of a tower without class token, or one of several tokens.
  if (!keepClass && before !== 1) {
    const found = `"default" with a tower that has ${before} tokens before its patches`;
    throw expectedButFound('ERR_UNSUPPORTED', '"full"', `vision_feature_select_strategy of ${file}`, found);
  }
  expectWholeSquares(tower, vision.projector.squares?.side ?? 1, file);
  const { projector, languageWidth } = openLanguageProjector(vision.projector, folder, width);
  const towerNorm = vision.towerNorm === undefined ? undefined : takeNorm(tensors, vision.towerNorm, width, eps);
  return {
    name: family.name,
    placedRows: family.language.placedRows ?? false,
    taken: { hiddenLayer, keepClass, projector: { ...(towerNorm && { towerNorm }), ...projector } },
    languageWidth,
  };
}

/** Patches that are projected together need as many in every row and column. */
function expectWholeSquares({ image, patch, grid }: Tower, factor: number, file: string): void {
  const { rows, columns } = grid;
  if (rows % factor === 0 && columns % factor === 0) return;
  const found = `${rows} rows of ${columns} (${image.width} x ${image.height} pixels in patches of ${patch})`;
  throw expectedButFound('ERR_UNSUPPORTED', `patches in squares of ${factor} x ${factor}`, file, found);
}

/** What says how large pictures are; undefined for the tower's own files where all have one size. */
function whereSized({ imageSize, trainedOn }: TowerOptions, { config, file }: PreprocessorFile): string | undefined {
  if (typeof imageSize === 'object' && 'maxPatches' in imageSize) return 'option maxPatches of imageSize';
  if (imageSize !== undefined) return 'option imageSize';
  return trainedOn?.where ?? (shapesOf(config) && file);
}

/**
 * Tiny patches in a large picture are more tokens than any array holds.
 *
 * @param where what says how large pictures are
 */
function expectPossible({ patch, width }: TowerArchitecture, image: Size, where: string): void {
  const { rows, columns } = patchesOf(image, patch);
  if (rows * columns * width <= MAX_TABLE) return;
  const found = `${rows * columns} of width ${width} (${image.width} x ${image.height} pixels in patches of ${patch})`;
  throw expectedButFound('ERR_UNSUPPORTED', `patches with at most ${MAX_TABLE} numbers in all`, where, found);
}

/** Which of its fields says what size its pictures have in the end. */
function sizeField({ crop, longestEdgeFirst }: PreprocessorConfig): string {
  if (crop) return 'crop_size';
  return longestEdgeFirst === undefined ? 'size' : 'max_image_size';
}

/** @throws QAViTError ERR_ARGUMENT or, of an adapter's, ERR_FORMAT where no patch fits into it */
function sizeAsked({ imageSize, trainedOn }: TowerOptions, { patch }: TowerArchitecture): Size | undefined {
  const asked = imageSize ?? trainedOn?.size;
  const size = typeof asked === 'number' ? { width: asked, height: asked } : asked;
  if (!size || 'maxPatches' in size) return undefined;
  const { width, height } = size;
  if (Math.min(width, height) >= patch) return { width, height };
  const [code, where] = whoAsks({ imageSize, trainedOn }, 'option imageSize');
  throw expectedButFound(code, `at least ${patch}, a patch,`, where, `${width} x ${height}`);
}

/** The size that preprocessor_config.json asks for, where it says one; it must be the tower's unless that takes any. */
function ownSize({ image, patch, anySize }: TowerArchitecture, { config, file }: PreprocessorFile, own: string): Size {
  const size = preparedSize(config);
  if (!size) return { width: image, height: image };
  const where = `${sizeField(config)} of ${file}`;
  const found = `${size.width} x ${size.height}`;
  const edges = [size.width, size.height];
  if (anySize) {
    if (edges.every((edge) => edge >= patch && edge <= MAX_IMAGE_SIZE)) return size;
    throw expectedButFound('ERR_FORMAT', `edges of ${patch} to ${MAX_IMAGE_SIZE} pixels`, where, found);
  }
  if (edges.every((edge) => edge === image)) return size;
  throw expectedButFound('ERR_FORMAT', `${own} (or option imageSize)`, where, found);
}
