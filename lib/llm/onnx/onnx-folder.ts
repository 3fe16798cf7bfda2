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

/**
 * The files that a graph may be in, the best first. A decoder comes in the precision that was asked for; a smaller graph in a more exact
 * one does no harm, and exporters leave out some.
 */
export function graphFiles(graph: string, dtype: OnnxDType | 'auto' = 'auto'): readonly string[] {
  const all = ONNX_DTYPES.map((each) => `${graph}${SUFFIXES[each]}.onnx`);
  if (dtype === 'auto') return all;
  const asked = `${graph}${SUFFIXES[dtype]}.onnx`;
  return graph.startsWith('decoder') ? [asked] : [asked, ...all];
}

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
    return graphFiles(graph).some((name) => this.names.has(name));
  }

  /**
   * The file of a graph that has to be there.
   *
   * @throws QAViTError ERR_FORMAT
   */
  pathOf(graph: string): string {
    const files = graphFiles(graph, this.dtype);
    const name = files.find((file) => this.names.has(file));
    if (name !== undefined) return path.join(this.dir, name);
    const what = files.length === 1 ? files[0] : `${graph}.onnx`;
    throw expectedButFound('ERR_FORMAT', String(what), `the language model in ${this.dir}`, 'no such file');
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
