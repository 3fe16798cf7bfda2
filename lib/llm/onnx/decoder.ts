import { expectedButFound } from '../../errors';
import { checkInputs, checkOutput, type Wanted } from './graph-checks';
import { CacheLayout, isCacheInput, type KeyValueCache } from './key-value-cache';
import type { OnnxFolder } from './onnx-folder';
import { type Feeds, floatsOf, type Graph, type OnnxRuntime, type Tensor } from './onnx-runtime';

const MERGED = 'decoder_model_merged';
const FIRST = 'decoder_model';
const NEXT = 'decoder_with_past_model';

/** Inputs that exporters add to a merged decoder of either kind. */
const SWITCHES: Readonly<Record<string, Wanted>> = {
  use_cache_branch: { type: 'bool' },
  num_logits_to_keep: { type: 'int64' },
};

/** A decoder with caches: one file for all steps, or one for the first and one for the others. */
export class Decoder {
  private readonly layout: CacheLayout;

  private constructor(
    private readonly runtime: OnnxRuntime,
    readonly first: Graph,
    readonly next: Graph,
    private readonly vocabularySize: number,
  ) {
    this.layout = new CacheLayout(runtime, first, next);
  }

  /**
   * @param required inputs that every step needs
   * @param known all inputs that steps are fed, besides caches and switches
   * @throws QAViTError ERR_FORMAT, ERR_UNSUPPORTED, naming the file
   */
  static async open(
    runtime: OnnxRuntime,
    files: OnnxFolder,
    vocabularySize: number,
    { required, known }: { required: readonly string[]; known: Readonly<Record<string, Wanted>> },
  ): Promise<Decoder> {
    const merged = files.has(MERGED) || !files.has(FIRST);
    const first = await runtime.open(files.pathOf(merged ? MERGED : FIRST));
    const next = merged ? first : await runtime.open(files.pathOf(NEXT));
    for (const graph of new Set([first, next])) {
      checkInputs(graph, required, { ...known, ...SWITCHES }, isCacheInput);
      checkLogits(graph, vocabularySize);
    }
    return new Decoder(runtime, first, next, vocabularySize);
  }

  /** Of an input that steps are fed; both graphs agree in it. */
  typeOf(input: string): string | undefined {
    return this.first.inputs.get(input)?.type;
  }

  start(): Decoding {
    return new Decoding(this, this.layout.start());
  }

  /** One step: new tokens behind what `cache` holds, and its update. Returns the logits of the last token, for the caller to change. */
  async step(feeds: Feeds, cache: KeyValueCache, isFirst: boolean): Promise<Float32Array> {
    const graph = isFirst ? this.first : this.next;
    const outputs = await graph.run({ ...feeds, ...cache.feeds, ...this.switches(graph, isFirst) });
    cache.update(outputs);
    return this.lastRow(outputs.logits, graph);
  }

  private switches(graph: Graph, isFirst: boolean): Feeds {
    const dims = (name: string) => graph.inputs.get(name)?.shape.map(() => 1) ?? [];
    return {
      use_cache_branch: this.runtime.flag(!isFirst, dims('use_cache_branch')),
      num_logits_to_keep: this.runtime.integers([1], dims('num_logits_to_keep')),
    };
  }

  private lastRow(logits: Tensor | undefined, graph: Graph): Float32Array {
    const columns = logits?.dims.at(-1);
    const start = (logits?.size ?? 0) - this.vocabularySize;
    const row = columns === this.vocabularySize && start >= 0 ? floatsOf(logits, start) : undefined;
    if (row) return row;
    const what = `floats [1, tokens, ${this.vocabularySize}]`;
    throw expectedButFound('ERR_FORMAT', what, `logits of ${graph.file}`, `[${logits?.dims.join(', ')}]`);
  }
}

/** The steps of one answer. */
export class Decoding {
  private steps = 0;

  constructor(
    private readonly decoder: Decoder,
    private readonly cache: KeyValueCache,
  ) {}

  step(feeds: Feeds): Promise<Float32Array> {
    return this.decoder.step(feeds, this.cache, this.steps++ === 0);
  }
}

function checkLogits(graph: Graph, vocabularySize: number): void {
  const { shape } = checkOutput(graph, 'logits', { type: 'float', rank: 3 });
  const columns = shape[2];
  if (typeof columns !== 'number' || columns === vocabularySize) return;
  const what = `${vocabularySize} columns (vocab_size of config.json)`;
  throw expectedButFound('ERR_FORMAT', what, `logits of ${graph.file}`, `${columns}`);
}
