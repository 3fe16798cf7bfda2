/** The work of one contestant, as its process is told it: JSON in its first argument, for Node and Python alike. */
import type { Case } from '../cases';

export interface Spec {
  /** `qavit`, or a peer. */
  peer: string;
  kind: Case['kind'];
  threads: number;
  /** Mode of torch.compile. */
  compile: string;
  /** Of the model (run/models.ts): tower, adapter, pictures, questions, ONNX files. */
  directory?: string;
  dtype?: 'f32' | 'bf16' | 'int8';
  images?: number;
  /** Questions to each picture, K tokens each; 0: the plain tower. */
  questions?: number;
  tokens?: number;
  /** To preprocess: a picture's file, and the tower's input. */
  file?: string;
  edge?: number;
  /** To ask. */
  model?: string;
}

/** Milliseconds of each repeat by the clock and by what its threads computed together, and the process's largest size so far. */
export interface Turn {
  ms: number[];
  cpuMs: number[];
  peakBytes: number;
}

export interface About {
  versions: Record<string, string>;
  /** Of the packed parameters, where the contestant knows. */
  weightBytes?: number;
}

export type Answer<T> = { ok: T } | { error: string };
