import { quantile } from '../../bench/support/quantiles';
import type { Outcome } from './client';

/** What became of many requests. */
export interface Tally {
  requests: number;
  right: number;
  wrong: number;
  /** By status; those of another kind than 200. */
  refused: Record<string, number>;
  /** Connections that broke, and requests that were aborted. */
  broken: number;
  /** Of the right ones, milliseconds. */
  latency: { p50: number; p90: number; p99: number; max: number };
}

export class Counting {
  private readonly ms: number[] = [];
  private readonly refused: Record<string, number> = {};
  private wrong = 0;
  private broken = 0;
  private all = 0;

  /** Waits for a request and counts it, whatever becomes of it. */
  async count(request: Promise<Outcome>): Promise<Outcome | undefined> {
    this.all += 1;
    try {
      const outcome = await request;
      if (outcome.right) this.ms.push(outcome.ms);
      else if (outcome.right === false) this.wrong += 1;
      else this.refused[outcome.status] = (this.refused[outcome.status] ?? 0) + 1;
      return outcome;
    } catch {
      this.broken += 1;
      return undefined;
    }
  }

  get tally(): Tally {
    const { ms, refused, wrong, broken } = this;
    const at = (q: number): number => round(quantile(ms, q));
    const latency = { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
    return { requests: this.all, right: ms.length, wrong, refused, broken, latency };
  }
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}
