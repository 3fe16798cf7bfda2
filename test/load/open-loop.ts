import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../support/random';
import type { Client, Route } from './client';
import { Counting, round, type Tally } from './tally';
import type { Pair } from './world';

export interface Level {
  /** Of the rate that was measured before as what the server can do. */
  load: number;
  offeredPerSecond: number;
  answeredPerSecond: number;
  tally: Tally;
}

/** Requests a second that so many clients get answered when each sends the next as soon as it has an answer. */
export async function capacity(
  client: Client,
  pairs: readonly Pair[],
  route: Route,
  clients: number,
  ms: number,
): Promise<number> {
  const counting = new Counting();
  const end = performance.now() + ms;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async (_, i) => {
      for (let n = i; performance.now() < end; n += clients)
        await counting.count(client.ask(pairs[n % pairs.length]!, route));
    }),
  );
  return (counting.tally.right / (performance.now() - start)) * 1000;
}

/** Requests that come at random moments at a given rate, whether or not earlier ones are answered. */
export async function openLoop(
  client: Client,
  pairs: readonly Pair[],
  route: Route,
  { load, perSecond, ms, seed }: { load: number; perSecond: number; ms: number; seed: number },
): Promise<Level> {
  const next = random(seed);
  const counting = new Counting();
  const sent: Promise<unknown>[] = [];
  const start = performance.now();
  for (let due = 0; due < ms; due += (-Math.log(1 - next()) / perSecond) * 1000) {
    const wait = start + due - performance.now();
    if (wait > 0) await sleep(wait);
    sent.push(counting.count(client.ask(pairs[Math.floor(next() * pairs.length)]!, route)));
  }
  await Promise.all(sent);
  const seconds = (performance.now() - start) / 1000;
  const { tally } = counting;
  return { load, offeredPerSecond: round(perSecond), answeredPerSecond: round(tally.right / seconds), tally };
}
