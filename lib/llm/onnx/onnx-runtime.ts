import { availableParallelism } from 'node:os';

import type * as Binding from 'onnxruntime-node';
import type { InferenceSession, Tensor } from 'onnxruntime-node';

import { expectedButFound, type QAViTError } from '../../errors';
import { toFloat32, toHalf } from '../../weights/elements';

export type { Tensor };
export type Feeds = Record<string, Tensor>;

/** A graph's input or output as the file declares it; dimensions without a fixed size are names. */
export interface Declared {
  type: string;
  shape: readonly (number | string)[];
}

/** ONNX Runtime with this package's settings. Its `run` blocks the thread: only the worker process may use it. */
export class OnnxRuntime {
  private constructor(
    private readonly binding: typeof Binding,
    private readonly threads: number,
  ) {}

  /** @throws QAViTError ERR_UNSUPPORTED where onnxruntime-node is not installed or does not load */
  static async start(threads = availableParallelism()): Promise<OnnxRuntime> {
    try {
      return new OnnxRuntime(await import('onnxruntime-node'), threads);
    } catch (cause) {
      const reason = (cause as Error).message.split('\n')[0];
      const what = 'the package onnxruntime-node (npm install onnxruntime-node)';
      const error = expectedButFound('ERR_UNSUPPORTED', what, 'language models in ONNX files', `"${reason}"`);
      error.cause = cause;
      throw error;
    }
  }

  /** @throws QAViTError ERR_FORMAT, naming the file */
  async open(file: string): Promise<Graph> {
    try {
      const session = await this.binding.InferenceSession.create(file, {
        intraOpNumThreads: this.threads,
        // Errors only: warnings about an exporter's leftovers would go to the user's terminal.
        logSeverityLevel: 3,
        // Threads that wait busily would take the cores from the vision tower, which computes between answers.
        extra: { session: { intra_op: { allow_spinning: '0' } } },
      });
      return new Graph(session, file);
    } catch (error) {
      throw failure(error, 'ERR_FORMAT', 'an ONNX model', file);
    }
  }

  /** @param type what the graph takes: numbers are rounded to float16 where it says so */
  floats(data: Float32Array, dims: readonly number[], type = 'float32'): Tensor {
    return type === 'float16'
      ? new this.binding.Tensor(type, toHalf(data), dims)
      : new this.binding.Tensor('float32', data, dims);
  }

  integers(values: readonly number[], dims: readonly number[]): Tensor {
    return new this.binding.Tensor('int64', BigInt64Array.from(values, BigInt), dims);
  }

  /** int64 [1, length] of ones: an attention mask that hides nothing. */
  ones(length: number): Tensor {
    return new this.binding.Tensor('int64', new BigInt64Array(length).fill(1n), [1, length]);
  }

  flag(value: boolean, dims: readonly number[]): Tensor {
    return new this.binding.Tensor('bool', Uint8Array.of(Number(value)), dims);
  }

  empty(type: 'float32' | 'float16', dims: readonly number[]): Tensor {
    if (type === 'float32') return this.floats(new Float32Array(0), dims);
    return new this.binding.Tensor('float16', new Uint16Array(0), dims);
  }
}

/** The numbers of a float tensor, from position `start` on; undefined where it holds something else. */
export function floatsOf(tensor: Tensor | undefined, start = 0): Float32Array | undefined {
  const data: unknown = tensor?.data;
  if (data instanceof Float32Array) return data.subarray(start);
  // Half precision comes as bits, or as numbers where the engine has an array for them.
  if (data instanceof Uint16Array && tensor?.type === 'float16') return toFloat32(data.subarray(start), 'f16');
  return tensor?.type === 'float16' ? Float32Array.from((data as Float32Array).subarray(start)) : undefined;
}

/** One ONNX file, ready to run. */
export class Graph {
  readonly inputs: ReadonlyMap<string, Declared>;
  readonly outputs: ReadonlyMap<string, Declared>;

  constructor(
    private readonly session: InferenceSession,
    readonly file: string,
  ) {
    this.inputs = declared(session.inputMetadata);
    this.outputs = declared(session.outputMetadata);
  }

  /**
   * Computes all outputs from those of `feeds` that the graph takes.
   *
   * @throws QAViTError ERR_OUT_OF_MEMORY, ERR_DEVICE
   */
  async run(feeds: Feeds): Promise<Feeds> {
    const taken = Object.fromEntries(Object.entries(feeds).filter(([name]) => this.inputs.has(name)));
    try {
      return await this.session.run(taken);
    } catch (error) {
      throw failure(error, 'ERR_DEVICE', 'a result', this.file);
    }
  }
}

function declared(metadata: readonly InferenceSession.ValueMetadata[]): Map<string, Declared> {
  return new Map(
    metadata.map((value) => [
      value.name,
      value.isTensor ? { type: value.type, shape: value.shape } : { type: 'no tensor', shape: [] },
    ]),
  );
}

/** ONNX Runtime tells failures apart only by their text. */
function failure(error: unknown, code: 'ERR_FORMAT' | 'ERR_DEVICE', what: string, file: string): QAViTError {
  const reason = error instanceof Error ? error.message : String(error);
  const memory = /bad_alloc|bad allocation|failed to allocate|out of memory/i.test(reason);
  const first = reason.split('\n')[0] ?? '';
  return expectedButFound(memory ? 'ERR_OUT_OF_MEMORY' : code, memory ? 'enough memory' : what, file, `"${first}"`);
}
