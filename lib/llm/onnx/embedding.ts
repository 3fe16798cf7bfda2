import { expectedButFound } from '../../errors';
import type { Rows } from './answer-model';
import type { ModelConfig } from '../model-config';
import { checkInputs, checkOutput } from './graph-checks';
import { hasNode } from './graph-nodes';
import type { OnnxFolder } from './onnx-folder';
import { floatsOf, type Graph, type OnnxRuntime } from './onnx-runtime';

/** The embedding table: token ids to rows. */
export class Embedding {
  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly graph: Graph,
    /** E */
    readonly width: number,
    private readonly vocabularySize: number,
  ) {}

  /** @throws QAViTError ERR_FORMAT, ERR_UNSUPPORTED, naming the file */
  static async open(
    runtime: OnnxRuntime,
    files: OnnxFolder,
    {
      width,
      vocabularySize,
      family,
    }: Pick<ModelConfig, 'width' | 'vocabularySize'> & Partial<Pick<ModelConfig, 'family'>>,
  ): Promise<Embedding> {
    const graph = await runtime.open(files.pathOf('embed_tokens'));
    checkInputs(graph, ['input_ids'], { input_ids: { type: 'int64', rank: 2 } });
    checkOutput(graph, 'inputs_embeds', { type: 'float', rank: 3 });
    if (family?.language.scaledRows && !(await hasNode(graph.file, 'Mul'))) {
      const what = 'an embedding layer that multiplies its rows (exported by transformers 5)';
      throw expectedButFound('ERR_UNSUPPORTED', what, graph.file, 'one without a Mul, whose decoder multiplies them');
    }
    // The file need not declare E; a row tells.
    const row = await graph.run({ input_ids: runtime.integers([0], [1, 1]) });
    const found = row.inputs_embeds?.dims.at(-1) ?? 0;
    if (found === (width ?? found)) return new Embedding(runtime, graph, found, vocabularySize);
    throw expectedButFound('ERR_FORMAT', `rows of ${width} numbers (config.json)`, graph.file, `${found}`);
  }

  async rows(ids: readonly number[]): Promise<Rows> {
    if (ids.length === 0) return { data: new Float32Array(0), count: 0 };
    const beyond = ids.find((id) => id >= this.vocabularySize);
    if (beyond !== undefined) {
      const what = `token ids below ${this.vocabularySize} (vocab_size of config.json)`;
      throw expectedButFound('ERR_FORMAT', what, `the tokenizer.json beside ${this.graph.file}`, `${beyond}`);
    }
    const outputs = await this.graph.run({ input_ids: this.runtime.integers(ids, [1, ids.length]) });
    const data = floatsOf(outputs.inputs_embeds);
    if (data?.length === ids.length * this.width) return { data, count: ids.length };
    const what = `${ids.length} rows of ${this.width} numbers`;
    const found = `[${outputs.inputs_embeds?.dims.join(', ')}]`;
    throw expectedButFound('ERR_FORMAT', what, `inputs_embeds of ${this.graph.file}`, found);
  }
}
