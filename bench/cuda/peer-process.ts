/** PyTorch's process (training/peers/cuda.py), typed. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import type { AttentionShape, ProductShape } from '../kernel-cases';
import { BenchError } from '../support/bench-error';
import { Resident } from '../support/resident';
import type { Case } from './cases';
import type { Options, TorchPeer } from './options';
import type { Times } from './own-tower';

const training = path.join(__dirname, '../../../training');

export interface PeerInfo {
  /** No GPU: PyTorch computes on the CPU, and its times mean nothing. */
  standIn: boolean;
  device: string;
  torch: string;
  transformers: string;
}

export interface Errors {
  /** Frobenius, against float64. */
  relative: number;
  /** Of all tokens. */
  lowestCosine: number;
}

type Answer<T> = { ok: T } | { error: string };

/** Random weights, pictures and questions, in `directory`. */
export function makeModel({ python, config, tokens }: Options, directory: string, pairs: number): void {
  const args = ['-m', 'peers.cuda', 'make', directory, config, String(pairs), String(tokens)];
  const { status } = spawnSync(python, args, { cwd: training, stdio: ['ignore', 'ignore', 'inherit'] });
  if (status === 0) return;
  throw new BenchError(
    `Expected '${python}' to have torch, transformers and safetensors and to know the config '${config}', but it could not make the model: ` +
      'pip install -r training/requirements.txt, or PYTHON=/path/to/python',
  );
}

export class PeerProcess {
  private constructor(
    private readonly process: Resident,
    readonly info: PeerInfo,
  ) {}

  static async start({ python, tokens, dtype, compile }: Options, directory: string): Promise<PeerProcess> {
    const args = ['-m', 'peers.cuda', 'serve', directory, String(tokens), dtype, compile];
    const child = new Resident('PyTorch', python, args, { cwd: training });
    return new PeerProcess(child, await child.answer());
  }

  /** Compiles, where that is asked for, and warms up. */
  prepare(peer: TorchPeer, entry: Case): Promise<{ seconds: number }> {
    return this.ask('prepare', { peer, case: entry });
  }

  run(peer: TorchPeer, entry: Case, copies: boolean, count: number): Promise<Times> {
    return this.ask('run', { peer, case: entry, copies, count });
  }

  /** TFLOP/s of the largest product. */
  ceiling(count: number): Promise<number[]> {
    return this.ask('ceiling', { count });
  }

  /** Of the tokens in `file` as `qavit`, and of the peers' own. */
  errors(entry: Case, file: string, peers: readonly TorchPeer[]): Promise<Record<string, Errors>> {
    return this.ask('errors', { case: entry, file, peers });
  }

  /** Milliseconds of one product. */
  product(
    { rows, inner, out }: ProductShape,
    repeats: { repeats: number; copies: number; count: number },
  ): Promise<number[]> {
    return this.ask('product', { rows, inner, out, ...repeats });
  }

  /** Milliseconds of one attention, by backend; those that do not take the shape are absent. */
  attention(
    { batch, heads, queries, keys, width }: AttentionShape,
    repeats: { repeats: number; count: number },
  ): Promise<Record<string, number[]>> {
    return this.ask('attention', { batch, heads, queries, keys, width, ...repeats });
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  /** @throws BenchError with PyTorch's own words where it failed; it goes on */
  private async ask<T>(what: string, request: object): Promise<T> {
    const answer = await this.process.ask<Answer<T>>(JSON.stringify({ do: what, ...request }));
    if ('error' in answer) throw new BenchError(answer.error);
    return answer.ok;
  }
}
