/** Who takes part in which case, and how their processes are started. */
import path from 'node:path';
import type { Case } from './cases';
import type { Spec } from './contestants/spec';
import { root } from './support/machine';

export const PEERS = {
  onnxruntime: "onnxruntime-node; f32, and int8 by onnxruntime's dynamic quantisation",
  'transformers.js': '@huggingface/transformers, on the same ONNX files',
  torch: "PyTorch eager, transformers' CLIPVisionModel with SDPA",
  'torch-compiled': 'the same by torch.compile, weights frozen',
  published: 'QA-ViT as its published code computes it, eager, untuned allocator; pair by pair from the pixels',
  pairwise: "the same with PyTorch's fused attention, visual queries alone, and a tuned allocator",
  reuse: "qavit's reuse and folds written in PyTorch, eager",
  'reuse-compiled': 'the same by torch.compile, weights frozen',
  plain: "qavit's own tower on the same pictures, asked nothing: what a question to all of them costs",
  pillow: "Pillow and transformers' CLIPImageProcessor",
} as const;

export type Peer = keyof typeof PEERS;
export const PEER_NAMES = Object.keys(PEERS) as Peer[];

/** Of these the fastest is the one to compare with: all that PyTorch computes. */
export const PYTORCH: readonly string[] = [
  ...(['torch', 'torch-compiled'] as const),
  ...(['published', 'pairwise', 'reuse', 'reuse-compiled'] as const),
] satisfies Peer[];

/** Those that can do the case's work: ONNX Runtime has no bf16 on a CPU, PyTorch no int8 attention tower, and so on. */
export function peersOf(entry: Case): Peer[] {
  switch (entry.kind) {
    case 'kernels':
    case 'ask':
      return [];
    case 'preprocess':
      return ['pillow'];
    case 'questions':
      return [
        ...(entry.questions === 1 ? (['plain'] as const) : []),
        ...(entry.dtype === 'int8' ? [] : (['published', 'pairwise', 'reuse', 'reuse-compiled'] as const)),
      ];
    case 'tower':
    case 'load':
      return [
        ...(entry.dtype === 'bf16' ? [] : (['onnxruntime', 'transformers.js'] as const)),
        ...(entry.dtype === 'int8' ? [] : (['torch', 'torch-compiled'] as const)),
      ];
  }
}

export const needsOnnx = (peer: string): boolean => peer === 'onnxruntime' || peer === 'transformers.js';

export const python = (): string => process.env.PYTHON || 'python3';
export const training = path.join(root, 'training');

export interface Command {
  command: string;
  args: string[];
  cwd?: string;
  env?: NodeJS.ProcessEnv;
}

const SCRIPTS: Record<string, string> = {
  qavit: 'qavit.js',
  plain: 'qavit.js',
  onnxruntime: 'onnxruntime.js',
  'transformers.js': 'transformers-js.js',
};

export function commandOf(spec: Spec): Command {
  const script = SCRIPTS[spec.peer];
  if (script) {
    return { command: process.execPath, args: [path.join(__dirname, 'contestants', script), JSON.stringify(spec)] };
  }
  const args = ['-m', 'peers.cpu', 'serve', JSON.stringify(spec)];
  // Published code is measured as its users run it.
  const allocation = spec.peer === 'published' ? {} : tuning();
  const env = { ...process.env, OMP_NUM_THREADS: String(spec.threads), ...allocation };
  return { command: python(), args, cwd: training, env };
}

/**
 * PyTorch asks the allocator for each activation anew. glibc maps and unmaps what is large, and pays a page fault for every 4 KB of
 * it, unless it is told to keep what it has. That was the fastest of what was tried: jemalloc 5.3 as it comes, which gives pages back,
 * took longer than glibc without any of this (ViT-B/32, eight pictures, eager f32, two Zen 5 cores). QAVIT_BENCH_ALLOCATOR names a
 * library to try.
 */
function tuning(): NodeJS.ProcessEnv {
  const library = process.env.QAVIT_BENCH_ALLOCATOR;
  if (library) return { LD_PRELOAD: library };
  return {
    MALLOC_MMAP_THRESHOLD_: String(2 ** 32),
    MALLOC_TRIM_THRESHOLD_: String(2 ** 34),
    MALLOC_TOP_PAD_: String(2 ** 26),
  };
}
