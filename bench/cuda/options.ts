import { parseArgs } from 'node:util';
import type { ComputeDType } from '../../lib/graph';
import { listed, oneOf, positive } from '../support/arguments';
import { BenchError } from '../support/bench-error';

export const HELP = `The whole question-aware tower and its kernels on an NVIDIA GPU, against PyTorch, in one run.

    npm run build:cuda && npm run bench:cuda -- [options]

Weights are random, with the statistics of trained ones. qavit, PyTorch eager (SDPA attention) and torch.compile
take turns on the same pictures and questions in the same dtype, each a resident process's model, some samples at a
time (A B C A B C ...). Reported are medians with p10 and p90 of
  gpu    the time between CUDA events around what was enqueued (for qavit the sum over its graph replays),
  call   the host's time from the call until the tokens are there,
each with pictures, questions and tokens on the GPU ('device'), and from and to host memory ('copies'); images/s,
TFLOP/s and its share of an 8192^3 product that cuBLAS reached in the same run; errors against float64; each kernel
at the tower's shapes against cuBLASLt (product and bias alone) and PyTorch's attentions; the wanted figures, met or
not. What does not fit in memory or does not compile is reported as such. Results go to bench/results/ after every
case, so that an interrupted run leaves what it had.

  --cases LIST     PAIRSxQUESTIONS, by commas: 32x4 is 32 pairs with 4 questions an image; 32x0 is 32 pictures
                   without questions, the plain tower (default: 1 to 64 pairs with 1 and 4, and some more)
  --parts LIST     of errors,model,kernels,tiles (default: errors,model,kernels); tiles has the layer's products run
                   with every tile and number of splits there is, beside those that qavit chooses
  --peers LIST     of eager,compiled,serial; or none (default: eager,compiled); serial is qavit whose kernels wait for
                   each other's end
  --compile MODE   of torch.compile (default: max-autotune; takes a minute or two a case)
  --config NAME    vit-l-14-336 (the default), vit-l-14, vit-b-16, vit-b-32, vit-h-14; tiny, for trying the harness
  --dtype DTYPE    bf16 (the default), f16 or f32
  --stream DTYPE   of qavit's residual stream: f32 (the default) or DTYPE
  --tokens K       question tokens (default: 32)
  --samples N      of each row (default: 50); --rounds N: in how many turns (default: 5)
  --batches LIST   of the kernels' shapes (default: 1,8,32)
  --minutes N      no case is begun after that (default: 60)
  --json FILE      where results go (default: bench/results/cuda-CONFIG-DTYPE.json)
  --help

Needs Python with training/requirements.txt; PYTHON names one. QAVIT_ADDON names the addon (default:
build-cuda/Release/qavit.node). Where there is no GPU it says so and fails. With the emulated addon, --config tiny
tries the harness: PyTorch stands in on the CPU, the times mean nothing, and nothing is written without --json.`;

const PARTS = ['errors', 'model', 'kernels', 'tiles'] as const;
const DEFAULT_PARTS = 'errors,model,kernels';
const TORCH_PEERS = ['eager', 'compiled'] as const;
const PEERS = [...TORCH_PEERS, 'serial'] as const;
const DTYPES = ['bf16', 'f16', 'f32'] as const;

export type Part = (typeof PARTS)[number];
export type TorchPeer = (typeof TORCH_PEERS)[number];
export type Peer = (typeof PEERS)[number];

export interface Options {
  cases: string | undefined;
  parts: Part[];
  peers: Peer[];
  compile: string;
  config: string;
  dtype: ComputeDType;
  stream: ComputeDType;
  tokens: number;
  samples: number;
  rounds: number;
  batches: number[];
  minutes: number;
  json: string | undefined;
  python: string;
}

const text = (value: string) => ({ type: 'string' as const, default: value });

function parse(args: string[]) {
  const config = {
    args,
    options: {
      cases: { type: 'string' },
      parts: text(DEFAULT_PARTS),
      peers: text(TORCH_PEERS.join()),
      compile: text('max-autotune'),
      config: text('vit-l-14-336'),
      dtype: text('bf16'),
      stream: text('f32'),
      tokens: text('32'),
      samples: text('50'),
      rounds: text('5'),
      batches: text('1,8,32'),
      minutes: text('60'),
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  } as const;
  try {
    return parseArgs(config).values;
  } catch (error) {
    throw new BenchError(`${(error as Error).message}; see --help`);
  }
}

/** Undefined: help was asked for. */
export function readOptions(args: string[]): Options | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const dtype = oneOf(values.dtype, DTYPES, 'dtype');
  const stream = oneOf(values.stream, [...new Set(['f32', dtype] as const)], 'stream');
  return {
    cases: values.cases,
    parts: listed(values.parts, PARTS, 'parts'),
    peers: values.peers === 'none' ? [] : listed(values.peers, PEERS, 'peers'),
    compile: values.compile,
    config: values.config,
    dtype,
    stream,
    tokens: positive(values.tokens, 'tokens'),
    samples: positive(values.samples, 'samples'),
    rounds: positive(values.rounds, 'rounds'),
    batches: values.batches.split(',').map((batch) => positive(batch, 'batches')),
    minutes: positive(values.minutes, 'minutes', { fraction: true }),
    json: values.json,
    python: process.env.PYTHON || 'python3',
  };
}
