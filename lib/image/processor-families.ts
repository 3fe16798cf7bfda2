import type { ResampleFilter } from '../binding/native';
import type { MostPatches } from './own-shapes';

/** What an image processor of transformers assumes where preprocessor_config.json is silent. */
export interface ProcessorDefaults {
  readonly size: unknown;
  /** Whether `size: 224` means a square (true) or the shorter edge (false). */
  readonly defaultToSquare: boolean;
  readonly filter: ResampleFilter;
  readonly centerCrop: boolean;
  readonly cropSize: unknown;
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  /** Where a picture is brought to `size` and then to tiles of this one. */
  readonly tile?: unknown;
  /** Where it is cut into a grid of so many tiles. */
  readonly grids?: { readonly least: number; readonly most: number };
  /** Where it is fitted into one of these, height and width in pixels. */
  readonly pinpoints?: readonly (readonly [number, number])[];
  /** Where a picture keeps its shape, in so many patches at most. */
  readonly most?: MostPatches;
  /** The same, in squares of patches, with so many pixels at least and at most. */
  readonly nearest?: { readonly patch: number; readonly merged: number; readonly least: number; readonly most: number };
}

/** Statistics of CLIP's own training pictures. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073] as const;
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711] as const;
/** Maps 0..1 to -1..1. */
const HALF = [0.5, 0.5, 0.5] as const;
const IMAGENET_MEAN = [0.485, 0.456, 0.406] as const;
const IMAGENET_STD = [0.229, 0.224, 0.225] as const;

const CLIP: ProcessorDefaults = {
  // 224 pixels and one crop: the geometry of the first CLIP towers.
  size: { shortest_edge: 224 },
  defaultToSquare: false,
  filter: 'bicubic',
  centerCrop: true,
  cropSize: { height: 224, width: 224 },
  mean: CLIP_MEAN,
  std: CLIP_STD,
};

/** Towers that see the whole picture squeezed into a square instead of a crop. */
const SQUARE: ProcessorDefaults = {
  size: { height: 224, width: 224 },
  defaultToSquare: true,
  filter: 'bicubic',
  centerCrop: false,
  cropSize: undefined,
  mean: HALF,
  std: HALF,
};

const IDEFICS3: ProcessorDefaults = {
  ...SQUARE,
  size: { longest_edge: 1456 },
  filter: 'lanczos',
  tile: { longest_edge: 364 },
};

const GOT_OCR2: ProcessorDefaults = {
  ...SQUARE,
  size: { height: 384, width: 384 },
  mean: CLIP_MEAN,
  std: CLIP_STD,
  grids: { least: 1, most: 12 },
};

const LLAVA_NEXT: ProcessorDefaults = {
  ...CLIP,
  pinpoints: [
    [336, 672],
    [672, 336],
    [672, 672],
    [1008, 336],
    [336, 1008],
  ],
};

const UP_TO_SIX = [384, 768, 1152, 1536, 1920, 2304] as const;

const LLAVA_ONEVISION: ProcessorDefaults = {
  ...SQUARE,
  size: { height: 384, width: 384 },
  defaultToSquare: false,
  mean: CLIP_MEAN,
  std: CLIP_STD,
  pinpoints: UP_TO_SIX.flatMap((height) => UP_TO_SIX.map((width) => [height, width] as const)),
};

/** The processors that differ from CLIP's in their defaults only, not in the steps. */
const FAMILIES: ReadonlyMap<string, ProcessorDefaults> = new Map([
  ['CLIPImageProcessor', CLIP],
  // The same unless it pads, which is refused.
  ['LlavaImageProcessor', CLIP],
  // DINOv2 towers name this one.
  ['BitImageProcessor', CLIP],
  ['ViTImageProcessor', { ...SQUARE, filter: 'bilinear' }],
  ['DeiTImageProcessor', { ...SQUARE, size: { height: 256, width: 256 }, centerCrop: true, cropSize: CLIP.cropSize }],
  // transformers resizes numbers where others resize bytes: half a level apart at most.
  ['DINOv3ViTImageProcessor', { ...SQUARE, filter: 'bilinear', mean: IMAGENET_MEAN, std: IMAGENET_STD }],
  ['SiglipImageProcessor', { ...SQUARE, defaultToSquare: false }],
  // SigLIP 2's where pictures keep their shapes (NaFlex).
  ['Siglip2ImageProcessor', { ...SQUARE, filter: 'bilinear', most: { patch: 16, patches: 256 } }],
  ['Qwen2VLImageProcessor', { ...CLIP, nearest: { patch: 14, merged: 2, least: 56 * 56, most: 28 * 28 * 1280 } }],
  ['BlipImageProcessor', { ...SQUARE, size: { height: 384, width: 384 }, mean: CLIP_MEAN, std: CLIP_STD }],
  // Gemma 3's, for a picture that is not cut up.
  ['Gemma3ImageProcessor', { ...SQUARE, filter: 'bilinear' }],
  ['Idefics3ImageProcessor', IDEFICS3],
  ['SmolVLMImageProcessor', IDEFICS3],
  // InternVL's.
  ['GotOcr2ImageProcessor', GOT_OCR2],
  ['LlavaNextImageProcessor', LLAVA_NEXT],
  ['LlavaOnevisionImageProcessor', LLAVA_ONEVISION],
]);

export const PROCESSOR_NAMES = [...FAMILIES.keys()].join(', ');

/** Of models whose file names none, by model_type. Where transformers knows a whole model alone its tower has the same. */
const OF_MODELS: Readonly<Record<string, readonly string[]>> = {
  ViTImageProcessor: ['vit'],
  BitImageProcessor: ['dinov2', 'dinov2_with_registers'],
  DINOv3ViTImageProcessor: ['dinov3_vit'],
  SiglipImageProcessor: ['siglip', 'siglip_vision_model', 'paligemma'],
  Siglip2ImageProcessor: ['siglip2', 'siglip2_vision_model'],
  Qwen2VLImageProcessor: [
    'qwen2_vl',
    'qwen2_vl_vision',
    'qwen3_vl_vision',
    'qwen3_vl_moe_vision',
    'qwen3_5_vision',
    'qwen3_5_moe_vision',
  ],
  BlipImageProcessor: ['blip-2', 'blip_2_vision_model', 'instructblip', 'instructblip_vision_model'],
  Gemma3ImageProcessor: ['gemma3'],
  Idefics3ImageProcessor: ['idefics3', 'idefics3_vision'],
  SmolVLMImageProcessor: ['smolvlm', 'smolvlm_vision'],
  GotOcr2ImageProcessor: ['internvl', 'internvl_vision'],
  LlavaNextImageProcessor: ['llava_next'],
  LlavaOnevisionImageProcessor: ['llava_onevision'],
};

/** The processor of a model whose file names none, as the oldest do not: CLIP's unless it has one of its own. */
export function processorOf(modelType: unknown): string {
  const [name = 'CLIPImageProcessor'] =
    Object.entries(OF_MODELS).find(([, types]) => types.some((type) => type === modelType)) ?? [];
  return name;
}

/** Undefined for a processor with other steps. */
export function processorDefaults(name: string): ProcessorDefaults | undefined {
  // 'Fast' and 'Pil' name the library that does the work, 'FeatureExtractor' is the class name before 2023.
  return FAMILIES.get(name.replace(/(Fast|Pil)$/, '').replace(/FeatureExtractor$/, 'ImageProcessor'));
}
