import { readdir } from 'node:fs/promises';
import path from 'node:path';

import { expectedButFound } from '../../errors';

/** What exporters offer a graph in, by transformers.js's names, the most exact first, and how its file's name ends. */
const SUFFIXES = {
  fp32: '',
  fp16: '_fp16',
  q8: '_quantized',
  int8: '_int8',
  uint8: '_uint8',
  q4: '_q4',
  q4f16: '_q4f16',
  bnb4: '_bnb4',
} as const;

export type OnnxDType = keyof typeof SUFFIXES;
export const ONNX_DTYPES = Object.keys(SUFFIXES) as OnnxDType[];

const DECODERS = ['decoder_model_merged', 'decoder_model'];

/** The ONNX files of a language model's folder: beside its config.json, or in `onnx` as on the Hugging Face hub. */
export class OnnxFolder {
  private constructor(
    private readonly dir: string,
    private readonly names: ReadonlySet<string>,
    private readonly dtype: OnnxDType | 'auto',
  ) {}

  static async open(dir: string, dtype: OnnxDType | 'auto' = 'auto'): Promise<OnnxFolder> {
    const beside = await onnxIn(dir);
    const within = path.join(dir, 'onnx');
    const names = beside.length > 0 ? beside : await onnxIn(within);
    return new OnnxFolder(beside.length > 0 || names.length === 0 ? dir : within, new Set(names), dtype);
  }

  /** Whether the graph is there in any precision. */
  has(graph: string): boolean {
    return this.nameOf(graph) !== undefined;
  }

  /**
   * The file of a graph that has to be there. A decoder comes in the precision that was asked for; a smaller graph in a more exact one
   * does no harm, and exporters leave out some.
   *
   * @throws QAViTError ERR_FORMAT
   */
  pathOf(graph: string): string {
    const asked = this.dtype === 'auto' ? undefined : graph + SUFFIXES[this.dtype];
    const exact = asked !== undefined && graph.startsWith('decoder');
    const name = exact ? this.fileNamed(asked) : (this.fileNamed(asked) ?? this.nameOf(graph));
    if (name !== undefined) return path.join(this.dir, name);
    const what = `${exact ? asked : graph}.onnx`;
    throw expectedButFound('ERR_FORMAT', what, `the language model in ${this.dir}`, 'no such file');
  }

  private nameOf(graph: string): string | undefined {
    return ONNX_DTYPES.map((dtype) => this.fileNamed(graph + SUFFIXES[dtype])).find((name) => name !== undefined);
  }

  private fileNamed(graph = ''): string | undefined {
    return this.names.has(`${graph}.onnx`) ? `${graph}.onnx` : undefined;
  }
}

/** What a vision-language model's folder lacks to be a decoder-only language model too, relative to the folder. */
export async function missingLanguageFiles(dir: string): Promise<string[]> {
  const folder = await OnnxFolder.open(dir);
  const files = new Set(await readdir(dir).catch((): string[] => []));
  return [
    ...(folder.has('embed_tokens') ? [] : ['onnx/embed_tokens.onnx']),
    ...(DECODERS.some((graph) => folder.has(graph)) ? [] : ['onnx/decoder_model_merged.onnx']),
    ...['config.json', 'tokenizer.json'].filter((name) => !files.has(name)),
  ];
}

async function onnxIn(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch((): string[] => []);
  return names.filter((name) => name.endsWith('.onnx'));
}
