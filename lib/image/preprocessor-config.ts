import type { ResampleFilter } from '../binding/native';
import { expected, expectedButFound } from '../errors';
import { ConfigFields, MAX_PIXELS } from './config-fields';
import type { ResizeRule } from './geometry';
import { PROCESSOR_NAMES, processorDefaults, type ProcessorDefaults, processorOf } from './processor-families';
import type { MostPatches } from './own-shapes';
import type { Tiling } from './tiles';

type Triple = readonly [number, number, number];

/** What a checked preprocessor_config.json asks for; a step that it switches off is null. */
export interface PreprocessorConfig {
  /** Comes before `resize`: Idefics3 brings the long edge to a size that is cut into tiles, and makes its picture of the whole from that. */
  readonly longestEdgeFirst?: number;
  readonly resize: { readonly rule: ResizeRule; readonly filter: ResampleFilter } | null;
  readonly crop: { readonly width: number; readonly height: number } | null;
  /** How a picture can be cut into tiles; absent: not at all. */
  readonly tiling?: Tiling;
  /** How many it is cut into at most; it is one with the whole unless given. */
  readonly tiles?: number;
  /** 1 with `do_rescale: false`. */
  readonly rescale: number;
  /** 0 and 1 with `do_normalize: false`. */
  readonly mean: Triple;
  readonly std: Triple;
}

export interface Normalization {
  mean: [number, number, number];
  std: [number, number, number];
  rescale: number;
}

/** Pillow's numbers for its filters, which the configuration files use. */
const FILTERS: readonly ResampleFilter[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/**
 * Reads the fields of CLIPImageProcessor, of its siblings with the same steps (ViT, DeiT, BiT, SigLIP, BLIP), of those that cut pictures
 * (Idefics3, InternVL, LLaVA-NeXT) and of those that leave them their shapes (SigLIP 2, Qwen2-VL). Absent fields, and null ones but for flags, take the defaults of the named class. `do_convert_rgb` makes
 * no difference: a tower has three channels, so a picture is always made RGB.
 *
 * @param json the parsed file; @param path its path, for messages
 * @param modelType of the model, whose processor it is where the file names none
 * @throws QAViTError ERR_FORMAT for a value of the wrong type or range, ERR_UNSUPPORTED for a processor with other steps
 */
export function parsePreprocessorConfig(json: unknown, path: string, modelType?: unknown): PreprocessorConfig {
  const fields = new ConfigFields(json, path);
  const defaults = defaultsOf(fields, modelType);
  fields.flag('do_convert_rgb', true);
  const normalize = fields.flag('do_normalize', true);
  return {
    ...parseGeometry(fields, defaults),
    // 1 / 255 maps bytes to 0..1, which every mean and std below is stated in.
    rescale: fields.flag('do_rescale', true) ? fields.nonZero('rescale_factor', 1 / 255) : 1,
    mean: normalize ? fields.triple('image_mean', defaults.mean) : [0, 0, 0],
    std: normalize ? fields.nonZeroTriple('image_std', defaults.std) : [1, 1, 1],
  };
}

/** What turns a byte into the tower's input: `(pixel * rescale - mean) / std`, folded into the patch embedding at load. */
export function normalization(config: PreprocessorConfig): Normalization {
  return { mean: [...config.mean], std: [...config.std], rescale: config.rescale };
}

function defaultsOf(fields: ConfigFields, modelType: unknown): ProcessorDefaults {
  const key = fields.has('image_processor_type') ? 'image_processor_type' : 'feature_extractor_type';
  const name = fields.text(key) ?? processorOf(modelType);
  const defaults = processorDefaults(name);
  if (!defaults) throw expected('ERR_UNSUPPORTED', `one of ${PROCESSOR_NAMES}`, fields.where(key), name);
  return defaults;
}

/** Fields that would change the pixels in a way that no supported tower needs. */
function refuse(fields: ConfigFields, key: string): void {
  if (fields.flag(key, false)) throw expected('ERR_UNSUPPORTED', 'false', fields.where(key), true);
}

type Steps = Pick<PreprocessorConfig, 'longestEdgeFirst' | 'resize' | 'crop' | 'tiling'>;

function parseGeometry(fields: ConfigFields, defaults: ProcessorDefaults): Steps {
  if (defaults.pinpoints) return parseFitted(fields, defaults, defaults.pinpoints);
  if (defaults.most) return parseOwnShapes(fields, defaults, defaults.most);
  if (defaults.nearest) return parseNearest(fields, defaults, defaults.nearest);
  return defaults.tile === undefined ? parseSteps(fields, defaults) : parseLongEdge(fields, defaults);
}

function parseSteps(fields: ConfigFields, defaults: ProcessorDefaults): Steps {
  refuse(fields, 'do_pad');
  refuse(fields, 'use_square_size');
  if (!defaults.grids) refuse(fields, 'crop_to_patches');
  const [resize, crop] = [parseResize(fields, defaults), parseCrop(fields, defaults)];
  return { resize, crop, ...(defaults.grids && resize && { tiling: parseGrids(fields, defaults.grids) }) };
}

/** InternVL's processor has its pictures cut whatever the file says. */
function parseGrids(fields: ConfigFields, grids: NonNullable<ProcessorDefaults['grids']>): Tiling {
  fields.flag('crop_to_patches');
  const least = fields.count('min_patches', grids.least);
  return { by: 'proportions', least, most: fields.count('max_patches', grids.most), usual: true };
}

/** The whole picture as with `do_image_splitting: false`: one tile, which nothing has to be padded to. */
function parseLongEdge(fields: ConfigFields, defaults: ProcessorDefaults): Steps {
  const side = fields.longestEdge('max_image_size', defaults.tile);
  const resize: Steps['resize'] = {
    rule: { kind: 'exact', width: side, height: side },
    filter: parseFilter(fields, defaults),
  };
  const usual = fields.flag('do_image_splitting', true);
  if (!fields.flag('do_resize', true)) return { resize, crop: null };
  const edge = fields.longestEdge('size', defaults.size);
  const tiling: Tiling = { by: 'long-edge', least: 1, most: Math.ceil(edge / side) ** 2, usual };
  return { longestEdgeFirst: edge, resize, crop: null, tiling };
}

/**
 * LLaVA-NeXT's and LLaVA-OneVision's: what is fitted into a grid is no crop, and the whole is squeezed into a tile. Their steps go on
 * with tiles and whole, to which they do nothing; `do_pad` is about how many there are.
 */
function parseFitted(
  fields: ConfigFields,
  defaults: ProcessorDefaults,
  pinpoints: NonNullable<ProcessorDefaults['pinpoints']>,
): Steps {
  for (const key of ['do_resize', 'do_center_crop', 'do_pad']) fields.flag(key, true);
  const size = fields.size('size', defaults.size, false);
  const side = size.kind === 'exact' ? size.width : size.shortest;
  // transformers makes tiles of this size where nothing is cropped, too.
  const crop = fields.has('crop_size') ? parseCropSize(fields, defaults) : parseCrop(fields, defaults);
  const isSquare = size.kind === 'exact' ? size.height === side : size.longest === undefined;
  if (!isSquare || (crop && (crop.width !== side || crop.height !== side))) {
    const where = `${fields.where('size')} and crop_size`;
    const found = `${JSON.stringify(size)} and ${JSON.stringify(crop)}`;
    throw expectedButFound('ERR_UNSUPPORTED', 'squares of one size', where, found);
  }
  const grids = fields.grids('image_grid_pinpoints', pinpoints, side);
  const most = Math.max(...grids.map(({ rows, columns }) => rows * columns));
  const resize = { rule: { kind: 'exact', width: side, height: side }, filter: parseFilter(fields, defaults) } as const;
  return { resize, crop: null, tiling: { by: 'fit', least: 1, most, usual: true, grids } };
}

/** Who takes what is not resized as it comes leaves out what is no whole patch, or fails; a picture would have any number. */
function expectResized(fields: ConfigFields): void {
  if (!fields.flag('do_resize', true)) throw expected('ERR_UNSUPPORTED', 'true', fields.where('do_resize'), false);
}

/** SigLIP 2's. */
function parseOwnShapes(fields: ConfigFields, defaults: ProcessorDefaults, most: MostPatches): Steps {
  expectResized(fields);
  const patch = fields.whole('patch_size', most.patch);
  const patches = fields.whole('max_num_patches', most.patches, MAX_PIXELS);
  return {
    resize: { rule: { kind: 'most-patches', patch, patches }, filter: parseFilter(fields, defaults) },
    crop: null,
  };
}

/** Qwen2-VL's: the edges of its `size` are numbers of pixels, which older files call by other names. */
function parseNearest(
  fields: ConfigFields,
  defaults: ProcessorDefaults,
  nearest: NonNullable<ProcessorDefaults['nearest']>,
): Steps {
  expectResized(fields);
  const patch = fields.whole('patch_size', nearest.patch) * fields.whole('merge_size', nearest.merged);
  const least = fields.pixels('min_pixels', 'shortest_edge', nearest.least);
  const most = fields.pixels('max_pixels', 'longest_edge', nearest.most);
  if (most < Math.max(least, patch ** 2)) {
    const where = `${fields.where('max_pixels')}, or longest_edge in size,`;
    throw expectedButFound('ERR_FORMAT', `at least ${Math.max(least, patch ** 2)}`, where, `${most}`);
  }
  return {
    resize: { rule: { kind: 'nearest-patches', patch, least, most }, filter: parseFilter(fields, defaults) },
    crop: null,
  };
}

function parseResize(fields: ConfigFields, defaults: ProcessorDefaults): PreprocessorConfig['resize'] {
  if (!fields.flag('do_resize', true)) return null;
  const square = fields.flag('default_to_square', defaults.defaultToSquare);
  return { rule: fields.size('size', defaults.size, square), filter: parseFilter(fields, defaults) };
}

function parseFilter(fields: ConfigFields, defaults: ProcessorDefaults): ResampleFilter {
  const code = fields.value('resample') ?? FILTERS.indexOf(defaults.filter);
  const filter = typeof code === 'number' ? FILTERS[code] : undefined;
  if (filter) return filter;
  throw expected('ERR_FORMAT', "one of Pillow's filters, 0 to 5,", fields.where('resample'), code);
}

function parseCrop(fields: ConfigFields, defaults: ProcessorDefaults): PreprocessorConfig['crop'] {
  return fields.flag('do_center_crop', defaults.centerCrop) ? parseCropSize(fields, defaults) : null;
}

function parseCropSize(fields: ConfigFields, defaults: ProcessorDefaults): NonNullable<PreprocessorConfig['crop']> {
  const rule = fields.size('crop_size', defaults.cropSize, true);
  if (rule.kind === 'exact') return { width: rule.width, height: rule.height };
  throw expected('ERR_FORMAT', 'height and width', fields.where('crop_size'), fields.value('crop_size'));
}
