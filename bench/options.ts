import { availableParallelism } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CASES, type Case, DEFAULT_PATTERNS, listCases, selectCases } from './cases';
import { type Peer, PEER_NAMES, PEERS } from './peers';
import { listed, oneOf, positive } from './support/arguments';
import { BenchError } from './support/bench-error';
import { root } from './support/machine';

const peerLines = PEER_NAMES.map((name) => `    ${name.padEnd(16)} ${PEERS[name]}`).join('\n');

export const HELP = `qavit on the CPU against what else could do the same work, in one run.

    npm run bench -- [options]

  --cases LIST     which, by commas: names or their beginnings, * for any part, none (default:
                   ${DEFAULT_PATTERNS})
  --peers LIST     of those below; or none (default: all that have the case's work)
  --compile MODE   of torch.compile (default: max-autotune, which tries kernels at every shape for a minute or more)
  --rounds N       turns of each contestant (default: 5)
  --clock CLOCK    wall (the default), or cpu: the time that a process computes, not the time it waits for a core, which
                   is what to compare on a machine that others use too; needs --threads 1, because threads that wait
                   for each other compute as well; load and ask are left at wall
  --threads N      of every contestant (default: the cores of this machine)
  --minutes N      no case is begun after that (default: 60); those left are named
  --models DIR     where random models are kept for the next run (default: made for this run alone)
  --json FILE      results; cases measured now replace those in it, others stay; a Markdown table and an SVG chart are
                   written beside it (default: bench/results/cpu.json)
  --help

Cases, what they are measured in, and their parts
${listCases()}

    kernels          the operations of CLIP towers: GFLOP/s or GB/s, and the share of what the same threads reach in
                     registers alone or copying as much memory
    preprocess       a JPEG of that size to the input of ViT-L/14-336: normalised floats, of qavit the bytes, whose
                     normalising is part of its patch embedding
    ask              an answer of the demo model about a picture, from the file to the last word
    tower            pictures to the last hidden state: TOWER/DTYPE/pictures
    load             from the start of a process to its first result, files in the page cache; peak memory
    questions        pictures and questions to the tokens of all pairs: TOWER/DTYPE/PICTURESxQUESTIONS/K question tokens

Peers
${peerLines}

Weights, pictures and questions are random, with the statistics of trained weights. All contestants of a case get the
same u8 pixels and f32 questions and give f32 tokens, which are compared before anything is timed. They take turns
(A B C A B C ...), each a resident process with its model loaded once; for load each trial is a fresh process. Reported
are medians with p10 and p90, and the median over rounds of each peer's time over qavit's in the same round.

A peer that cannot take part is named, with the reason, in every output; the exit status is 1 if --peers asked for it.
Everything but kernels and ask needs Python with training/requirements.txt; PYTHON names one. QAVIT_BENCH_ALLOCATOR
names a library to preload for PyTorch's allocator (default: glibc's, told to keep its memory; published runs untuned).`;

export const CLOCKS = ['wall', 'cpu'] as const;
export type Clock = (typeof CLOCKS)[number];

export interface Options {
  cases: Case[];
  peers: Peer[];
  /** Peers were named: a missing one is a failure. */
  strict: boolean;
  compile: string;
  clock: Clock;
  rounds: number;
  threads: number;
  minutes: number;
  models: string | undefined;
  json: string;
}

const text = (value: string) => ({ type: 'string' as const, default: value });

function parse(args: string[]) {
  const config = {
    args,
    options: {
      cases: text(DEFAULT_PATTERNS),
      peers: { type: 'string' },
      compile: text('max-autotune'),
      clock: text('wall'),
      rounds: text('5'),
      threads: text(String(availableParallelism())),
      minutes: text('60'),
      models: { type: 'string' },
      json: text(path.join(root, 'bench', 'results', 'cpu.json')),
      help: { type: 'boolean', default: false },
    },
  } as const;
  try {
    return parseArgs(config).values;
  } catch (error) {
    throw new BenchError(`${(error as Error).message}; see --help`);
  }
}

function peers(named: string | undefined): Peer[] {
  if (named === undefined) return PEER_NAMES;
  return named === 'none' ? [] : listed(named, PEER_NAMES, 'peers');
}

/** Undefined: help was asked for. */
export function readOptions(args: string[], all: readonly Case[] = CASES): Options | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  const clock = oneOf(values.clock, CLOCKS, 'clock');
  const threads = positive(values.threads, 'threads');
  if (clock === 'cpu' && threads !== 1) {
    throw new BenchError(`Expected --threads 1 with --clock cpu but received ${threads}`);
  }
  return {
    cases: selectCases(values.cases, all),
    peers: peers(values.peers),
    strict: values.peers !== undefined,
    compile: values.compile,
    clock,
    rounds: positive(values.rounds, 'rounds'),
    threads,
    minutes: positive(values.minutes, 'minutes', { fraction: true }),
    models: values.models === undefined ? undefined : path.resolve(values.models),
    json: path.resolve(values.json),
  };
}
