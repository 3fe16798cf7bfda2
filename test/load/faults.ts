import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../support/random';
import { bodyOf, type Client, type Outcome, type Route } from './client';
import type { Served } from './served';
import { Counting, round, type Tally } from './tally';
import type { Pair } from './world';

const ROUTES: readonly Route[] = ['tokens', 'chat', 'stream'];
/** Clients at a time. */
const AT_ONCE = 32;
/** After which requests are aborted at the latest: some are being sent then, some wait, are computed, or answered. */
const LONGEST_MS = 200;

/** Runs `work` for 0..count-1, so many at a time. */
export async function inParallel(count: number, atOnce: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

export interface Aborted {
  aborted: number;
  tally: Tally;
  /** From the last abort until nothing is pending, milliseconds. */
  settledMs: number;
}

/** So many requests that are aborted at random moments; those that are answered before that are checked, and sent again. */
export async function abortMany(client: Client, pairs: readonly Pair[], count: number): Promise<Aborted> {
  const next = random(5);
  const counting = new Counting();
  await inParallel(count, AT_ONCE, async (i) => {
    let answered: Outcome | undefined;
    do {
      const signal = AbortSignal.timeout(Math.floor(next() * LONGEST_MS));
      answered = await counting.count(client.ask(pairs[i % pairs.length]!, ROUTES[i % 3]!, signal));
    } while (answered);
  });
  const start = performance.now();
  while ((await client.metric('qavit_pending_requests')) > 0) await sleep(1);
  const { tally } = counting;
  return { aborted: tally.broken, tally, settledMs: round(performance.now() - start) };
}

/** Connections that send half a body and stay, or leave; while they are there, others are answered. */
export async function halfSent(url: string, client: Client, pairs: readonly Pair[], count: number): Promise<Tally> {
  const { hostname, port } = new URL(url);
  const sockets = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const socket = connect(Number(port), hostname).on('error', () => undefined);
      await once(socket, 'connect');
      const body = bodyOf(pairs[i % pairs.length]!, 'chat');
      const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`;
      socket.write(head + body.slice(0, body.length / 2));
      if (i % 2) socket.end();
      return socket;
    }),
  );
  const counting = new Counting();
  await inParallel(pairs.length, 8, (i) => counting.count(client.ask(pairs[i]!, ROUTES[i % 3]!)));
  for (const socket of sockets) socket.destroy();
  return counting.tally;
}

/** Clients that ask and do not read; while they are there, others are answered. */
export async function slowReaders(url: string, client: Client, pairs: readonly Pair[], count: number): Promise<Tally> {
  const { hostname, port } = new URL(url);
  const sockets = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const socket = connect(Number(port), hostname)
        .on('error', () => undefined)
        .pause();
      await once(socket, 'connect');
      const body = bodyOf(pairs[i % pairs.length]!, i % 2 ? 'stream' : 'tokens');
      const path = i % 2 ? 'chat/completions' : 'visual-tokens';
      socket.write(
        `POST /v1/${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      );
      return socket;
    }),
  );
  const counting = new Counting();
  await inParallel(pairs.length, 8, (i) => counting.count(client.ask(pairs[i]!, ROUTES[i % 3]!)));
  for (const socket of sockets) socket.destroy();
  return counting.tally;
}

/** Bodies that are damaged in all ways: cut, bits turned, fields of other types. Every reply is a 4xx, or right. */
export async function malformed(
  client: Client,
  pairs: readonly Pair[],
  count: number,
): Promise<Record<string, number>> {
  const next = random(9);
  const statuses: Record<string, number> = {};
  const strangers = ['null', '5', '[]', '{}', '"x"', 'true', '1e999', '"\\u0000"', `"${'x'.repeat(5000)}"`];
  await inParallel(count, 8, async (i) => {
    const body = bodyOf(pairs[i % pairs.length]!, ROUTES[i % 3]!);
    const at = Math.floor(next() * body.length);
    const damaged = [
      () => body.slice(0, at),
      () => body.slice(0, at) + String.fromCharCode(32 + Math.floor(next() * 90)) + body.slice(at + 1),
      () => body.replace(/"(question|model|messages|image|content)":/, `"$1":${strangers[i % strangers.length]},"x":`),
      () => body + body,
    ][i % 4]!();
    const path = i % 3 ? '/v1/chat/completions' : '/v1/visual-tokens';
    const { status } = await client.post(path, damaged);
    statuses[status] = (statuses[status] ?? 0) + 1;
  });
  return statuses;
}

export interface Killed {
  kills: number;
  tally: Tally;
  /** From each kill to the next right answer, milliseconds. */
  recoveryMs: number[];
}

/** Kills the language model's process amid answers, again and again. */
export async function killLanguageModel(
  served: Served,
  client: Client,
  pairs: readonly Pair[],
  kills: number,
): Promise<Killed> {
  const counting = new Counting();
  const recoveryMs: number[] = [];
  let over = false;
  let killedAt: number | undefined;
  const asking = inParallel(AT_ONCE / 4, AT_ONCE / 4, async (worker) => {
    for (let n = worker; !over; n += 1) {
      const began = performance.now();
      const outcome = await counting.count(client.ask(pairs[n % pairs.length]!, n % 2 ? 'stream' : 'chat'));
      if (outcome?.right && killedAt !== undefined && began > killedAt) {
        recoveryMs.push(round(performance.now() - killedAt));
        killedAt = undefined;
      }
    }
  });
  for (let kill = 0; kill < kills; kill += 1) {
    await sleep(200);
    for (const pid of served.children ?? []) process.kill(pid, 'SIGKILL');
    killedAt = performance.now();
    while (killedAt !== undefined) await sleep(5);
  }
  over = true;
  await asking;
  return { kills, tally: counting.tally, recoveryMs };
}
