import { expectedButFound } from '../../errors';
import type { Declared, Feeds, Graph, OnnxRuntime } from './onnx-runtime';

const PAST = 'past_key_values.';
const PRESENT = 'present.';

/** Whether a decoder's input is a part of its cache. */
export function isCacheInput(name: string): boolean {
  return name.startsWith(PAST);
}

/** How the caches of a decoder's graphs hang together; `first` computes the first step, `next` every other, often the same graph. */
export class CacheLayout {
  private readonly empty: Feeds;

  /** @throws QAViTError ERR_FORMAT where caches go in that never come out, ERR_UNSUPPORTED for caches of another kind */
  constructor(runtime: OnnxRuntime, first: Graph, next: Graph) {
    const caches = [...next.inputs.keys()].filter(isCacheInput);
    if (caches.length === 0) throw expectedButFound('ERR_FORMAT', `inputs ${PAST}*`, next.file, listed(next));
    for (const name of caches) {
      const output = presentOf(name);
      const sources = isEncoderCache(name) ? [first] : [first, next];
      const lacking = sources.find((graph) => !graph.outputs.has(output));
      if (lacking) throw expectedButFound('ERR_FORMAT', `an output ${output}`, lacking.file, 'none of that name');
    }
    const declared = [...first.inputs].filter(([name]) => isCacheInput(name));
    this.empty = Object.fromEntries(declared.map(([name, input]) => [name, emptyCache(runtime, first, name, input)]));
  }

  start(): KeyValueCache {
    return new KeyValueCache(this.empty);
  }
}

/** Keys and values of one answer, as the decoder wants them back. Tensors pass through untouched, whatever their type. */
export class KeyValueCache {
  private hasEncoder = false;

  constructor(private entries: Feeds) {}

  get feeds(): Feeds {
    return this.entries;
  }

  /** Takes what a step returned. The encoder's part comes from the first step: later ones return nothing, or an empty tensor. */
  update(outputs: Feeds): void {
    const entries: Feeds = {};
    for (const [name, tensor] of Object.entries(outputs)) {
      if (!name.startsWith(PRESENT)) continue;
      const input = PAST + name.slice(PRESENT.length);
      entries[input] = (this.hasEncoder && isEncoderCache(input) && this.entries[input]) || tensor;
    }
    this.entries = { ...this.entries, ...entries };
    this.hasEncoder = true;
  }
}

function presentOf(input: string): string {
  return PRESENT + input.slice(PAST.length);
}

function isEncoderCache(name: string): boolean {
  return name.includes('.encoder.');
}

/** [1, heads, 0, width]: heads and width are fixed by the model, batch and length are not. */
function emptyCache(runtime: OnnxRuntime, graph: Graph, name: string, { type, shape }: Declared) {
  const [, heads, , width] = shape;
  const fixed = shape.length === 4 && typeof heads === 'number' && typeof width === 'number';
  if (fixed && (type === 'float32' || type === 'float16')) return runtime.empty(type, [1, heads, 0, width]);
  const what = 'float32 or float16 [batch, heads, length, width] with fixed heads and width';
  throw expectedButFound('ERR_UNSUPPORTED', what, `${name} of ${graph.file}`, `${type} [${shape.join(', ')}]`);
}

function listed(graph: Graph): string {
  return [...graph.inputs.keys()].join(', ');
}
