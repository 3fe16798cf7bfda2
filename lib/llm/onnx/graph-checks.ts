import { expectedButFound, type QAViTError } from '../../errors';
import type { Declared, Graph } from './onnx-runtime';

/** The tensor that this package gives or takes. */
export interface Wanted {
  /** `float` for float32 and float16. */
  type: string;
  /** The number of dimensions; any, where absent. */
  rank?: number;
}

/** @throws QAViTError ERR_FORMAT unless the graph has all the inputs of `required`, ERR_UNSUPPORTED if it has one that is not `known` */
export function checkInputs(
  graph: Graph,
  required: readonly string[],
  known: Readonly<Record<string, Wanted>>,
  isCache: (name: string) => boolean = () => false,
): void {
  if (!required.every((name) => graph.inputs.has(name))) {
    throw mismatch(graph, 'inputs', required, [...graph.inputs.keys()]);
  }
  for (const [name, declared] of graph.inputs) {
    if (isCache(name)) continue;
    const wanted = Object.hasOwn(known, name) ? known[name] : undefined;
    if (wanted === undefined) {
      const what = `no inputs but ${Object.keys(known).join(', ')}`;
      throw expectedButFound('ERR_UNSUPPORTED', what, graph.file, `the input ${name}`);
    }
    checkDeclared(graph, name, declared, wanted);
  }
}

/** @throws QAViTError ERR_FORMAT or ERR_UNSUPPORTED unless the graph has this output */
export function checkOutput(graph: Graph, name: string, wanted: Wanted): Declared {
  const declared = graph.outputs.get(name);
  if (declared === undefined) throw mismatch(graph, 'an output', [name], [...graph.outputs.keys()]);
  checkDeclared(graph, name, declared, wanted);
  return declared;
}

function checkDeclared(graph: Graph, name: string, { type, shape }: Declared, wanted: Wanted): void {
  // A file need not declare shapes; then the first run tells.
  const sameRank = wanted.rank === undefined || shape.length === 0 || shape.length === wanted.rank;
  const sameType = wanted.type === 'float' ? type === 'float32' || type === 'float16' : type === wanted.type;
  if (sameType && sameRank) return;
  const what = `${wanted.type} with ${wanted.rank ?? 'any'} dimensions`;
  throw expectedButFound('ERR_UNSUPPORTED', what, `${name} of ${graph.file}`, `${type} [${shape.join(', ')}]`);
}

function mismatch(graph: Graph, what: string, wanted: readonly string[], found: readonly string[]): QAViTError {
  const received = found.length > 12 ? [...found.slice(0, 12), `... (${found.length})`] : found;
  return expectedButFound('ERR_FORMAT', `${what} ${wanted.join(', ')}`, graph.file, received.join(', ') || 'none');
}
