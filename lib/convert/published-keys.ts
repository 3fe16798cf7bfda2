import { expectedButFound } from '../errors';
import type { StoredTensor, TensorSource } from '../weights';

/** PEFT's name of the model that it wrapped. */
export const PREFIX = 'base_model.model.';
const VISION = 'vision.vision_tower.vision_model.';

/** Written by the published code, and never read by it. */
const UNUSED = /\.instruction_gate$|^translation_mlp\.dummy\.|\.position_ids$/;
/** `shared` under other names, as a rule one storage in the file. */
const ALIASES = /^((encoder|decoder)\.embed_tokens|instruction_embedder)\./;
const FUSING = /^encoder\.layers\.\d+\.(instruct_dim_reduce\.|self_attn\.instruction_)/;
const LORA = /^(?<module>.+)\.lora_(embedding_)?[AB]\.(?<adapter>[^.]+)(\.weight)?$/;

/** A checkpoint's tensors, by the part of the model they belong to. */
export interface PublishedTensors {
  readonly tower: TensorSource;
  /** Fused layers and projector. */
  readonly adapter: TensorSource;
  /** Without its LoRA. */
  readonly language: TensorSource;
  readonly lora: TensorSource;
  /** Modules of the language model that LoRA adapts, each with PEFT's name of the adapter. */
  readonly adapted: ReadonlyMap<string, string>;
  readonly fusedLayers: readonly number[];
  /** Keys that a QA-ViT does not need. */
  readonly ignored: readonly string[];
}

/**
 * Sorts the keys of a QA-ViT checkpoint as it was published (ViT+T5).
 *
 * @throws QAViTError ERR_FORMAT, naming file and key, for one that belongs to nothing, says something else than its other name, is there
 *   twice or is a second adapter's, or where no layer is fused
 */
export function sortPublished(source: TensorSource): PublishedTensors {
  const { path } = source;
  const all = Array.from(source.all, unwrapped);
  const parts: Record<Part, StoredTensor[]> = { tower: [], adapter: [], language: [], lora: [], ignored: [] };
  const adapted = new Map<string, string>();
  const byKey = byKeys(all, path);
  const fused = new Set<number>();
  for (const tensor of all) {
    const key = withoutPrefix(tensor.name);
    const part = partOf(key);
    if (!part) {
      throw expectedButFound('ERR_FORMAT', "keys of a QA-ViT's ViT, T5, projector and LoRA", path, tensor.storedName);
    }
    parts[part].push(tensor);
    const original = key.replace(ALIASES, 'shared.');
    if (original !== key) expectSame(tensor, byKey.get(original), original);
    const { module, adapter } = (part === 'lora' && LORA.exec(key)?.groups) || {};
    if (module !== undefined && adapter !== undefined) {
      const first = adapted.get(module) ?? adapter;
      if (first !== adapter)
        throw expectedButFound('ERR_FORMAT', `one LoRA adapter of ${module}`, path, `${first} and ${adapter}`);
      adapted.set(module, adapter);
    }
    const layer = /\.layers\.(\d+)\.self_attn\.instruction_out_proj\.weight$/.exec(key)?.[1];
    if (layer !== undefined) fused.add(Number(layer));
  }
  if (fused.size === 0) {
    const what = `a key ${PREFIX}${VISION}encoder.layers.N.self_attn.instruction_out_proj.weight`;
    throw expectedButFound('ERR_FORMAT', what, path, 'none: not a QA-ViT');
  }
  const sourceOf = (part: Part): TensorSource => ({ path, all: parts[part] });
  return {
    tower: sourceOf('tower'),
    adapter: sourceOf('adapter'),
    language: sourceOf('language'),
    lora: { path, all: [...parts.language, ...parts.lora] },
    adapted,
    fusedLayers: [...fused].sort((a, b) => a - b),
    ignored: parts.ignored.map(({ storedName }) => storedName),
  };
}

/** Newer PEFT keeps what it wraps in a module of its own, `<module>.base_layer`; with older it stays where it was. */
function unwrapped(tensor: StoredTensor): StoredTensor {
  const name = tensor.name.replace('.base_layer.', '.');
  return name === tensor.name ? tensor : tensor.renamed(name);
}

function byKeys(all: readonly StoredTensor[], path: string): ReadonlyMap<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  for (const tensor of all) {
    const key = withoutPrefix(tensor.name);
    if (found.has(key)) throw expectedButFound('ERR_FORMAT', `one tensor ${key}`, path, 'two');
    found.set(key, tensor);
  }
  return found;
}

/** Nobody reads an alias: what it says must be what is read. A checkpoint whose tensors were moved one by one holds it twice. */
function expectSame(alias: StoredTensor, original: StoredTensor | undefined, key: string): void {
  if (!original) throw expectedButFound('ERR_FORMAT', `${key}, as which it is read,`, alias.where, 'none');
  if (isSamePlace(alias, original)) return;
  const isSameShape = String(alias.shape) === String(original.shape);
  if (isSameShape && Buffer.from(alias.read().buffer).equals(Buffer.from(original.read().buffer))) return;
  throw expectedButFound('ERR_FORMAT', `the numbers of ${original.storedName}`, alias.where, 'others');
}

function isSamePlace(a: StoredTensor, b: StoredTensor): boolean {
  const place = ({ offset, bytes, storedAs, shape, strides }: StoredTensor): string =>
    JSON.stringify([offset, bytes, storedAs, shape, strides]);
  return place(a) === place(b);
}

/** A key as the model's own classes have it. */
export function withoutPrefix(name: string): string {
  return name.startsWith(PREFIX) ? name.slice(PREFIX.length) : name;
}

type Part = 'tower' | 'adapter' | 'language' | 'lora' | 'ignored';

function partOf(key: string): Part | undefined {
  if (UNUSED.test(key) || ALIASES.test(key)) return 'ignored';
  if (key.startsWith(VISION)) return FUSING.test(key.slice(VISION.length)) ? 'adapter' : 'tower';
  if (key.startsWith('translation_mlp.')) return 'adapter';
  if (!/^(encoder|decoder|shared|lm_head)\./.test(key)) return undefined;
  return LORA.test(key) ? 'lora' : 'language';
}
