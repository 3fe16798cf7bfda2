import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import type { QAViT } from '../../lib';
import { Batcher, createServer, type ServerOptions } from '../../lib/serve';
import { Client } from './client';
import { inParallel } from './faults';
import { median, round } from './tally';
import { dataUrl, type Pair } from './world';

/** Concurrent clients. */
const CLIENTS = 32;
/** How often a turn goes through its pairs: more than a few batches of all clients. */
const PASSES = 2;

let copies = 0;

/** The same pixels in a file that no cache has seen: what stands behind a PNG's end is not read. */
function fresh(pair: Pair): Pair {
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE((copies += 1));
  const picture = Buffer.concat([pair.picture, mark]);
  return { ...pair, picture, url: dataUrl(picture) };
}

interface Cost {
  ms: number;
  /** CPU time of this process, client and server alike: what the machine's other work cannot blur. */
  cpu: number;
}

async function cost(work: () => Promise<unknown>): Promise<Cost> {
  const [start, cpu] = [performance.now(), process.cpuUsage()];
  await work();
  const used = process.cpuUsage(cpu);
  return { ms: performance.now() - start, cpu: (used.user + used.system) / 1000 };
}

async function served<T>(
  model: QAViT,
  options: ServerOptions,
  use: (client: Client, app: FastifyInstance) => Promise<T>,
): Promise<T> {
  const app = await createServer({ demo: model }, options);
  await app.listen({ port: 0, host: '127.0.0.1' });
  const client = new Client(`http://127.0.0.1:${(app.server.address() as AddressInfo).port}`);
  try {
    return await use(client, app);
  } finally {
    client.close();
    await app.close();
  }
}

export interface Throughput {
  pairs: number;
  rounds: number;
  /** For all pairs, medians. */
  encodeBatch: Cost;
  batcher: Cost;
  http: Cost;
  /** Of encodeBatch's own throughput: by the clock, and by CPU time. */
  batcherShare: Cost;
  httpShare: Cost;
}

/** The same pairs by one encodeBatch, by 32 clients of a Batcher, and by 32 clients of a server, in turns. */
export async function throughput(model: QAViT, pairs: readonly Pair[], rounds: number): Promise<Throughput> {
  const count = PASSES * pairs.length;
  const unseen = () => Array.from({ length: count }, (_, i) => fresh(pairs[i % pairs.length]!));
  return served(model, {}, async (client) => {
    await using batcher = new Batcher(model);
    const turns = {
      encodeBatch: (of: readonly Pair[]) =>
        model.encodeBatch(of.map(({ picture, question }) => ({ image: picture, question }))),
      batcher: (of: readonly Pair[]) =>
        inParallel(count, CLIENTS, (i) => batcher.encode(of[i]!.picture, of[i]!.question)),
      http: (of: readonly Pair[]) => inParallel(count, CLIENTS, (i) => client.ask(of[i]!, 'tokens')),
    };
    const costs = { encodeBatch: [] as Cost[], batcher: [] as Cost[], http: [] as Cost[] };
    for (let turn = -1; turn < rounds; turn += 1) {
      for (const name of ['encodeBatch', 'batcher', 'http'] as const) {
        const of = unseen();
        const took = await cost(() => turns[name](of));
        if (turn >= 0) costs[name].push(took);
      }
    }
    const middle = (of: (i: number) => Cost, digits: number): Cost => {
      const all = costs.http.map((_, i) => of(i));
      return {
        ms: round(median(all.map(({ ms }) => ms)), digits),
        cpu: round(median(all.map(({ cpu }) => cpu)), digits),
      };
    };
    // Shares of the same round, so that what else the machine does meanwhile counts for both.
    const share = (name: keyof typeof costs) =>
      middle((i) => {
        const [own, other] = [costs.encodeBatch[i]!, costs[name][i]!];
        return { ms: own.ms / other.ms, cpu: own.cpu / other.cpu };
      }, 3);
    return {
      pairs: count,
      rounds,
      encodeBatch: middle((i) => costs.encodeBatch[i]!, 1),
      batcher: middle((i) => costs.batcher[i]!, 1),
      http: middle((i) => costs.http[i]!, 1),
      batcherShare: share('batcher'),
      httpShare: share('http'),
    };
  });
}

export interface AddedLatency {
  requests: number;
  batcherP50Ms: number;
  httpP50Ms: number;
  addedP50Ms: number;
}

/** One request at a time, in turns with the same without HTTP; picture and question are known, so that little else takes time. */
export async function addedLatency(model: QAViT, pair: Pair, requests: number): Promise<AddedLatency> {
  return served(model, {}, async (client) => {
    await using batcher = new Batcher(model);
    const [direct, http, added]: number[][] = [[], [], []];
    for (let i = -20; i < requests; i += 1) {
      const { ms: own } = await cost(() => batcher.encode(pair.picture, pair.question));
      const { ms } = await client.ask(pair, 'tokens');
      if (i < 0) continue;
      direct!.push(own);
      http!.push(ms);
      added!.push(ms - own);
    }
    return {
      requests,
      batcherP50Ms: round(median(direct!)),
      httpP50Ms: round(median(http!)),
      addedP50Ms: round(median(added!)),
    };
  });
}

export interface Sharing {
  rounds: number;
  /** Eight questions about eight pictures, milliseconds, and CPU time of the process. */
  differentMs: number;
  sameMs: number;
  /** Of eight pictures' cost. */
  share: number;
  cpuShare: number;
}

/** Eight questions about one picture against eight about eight, all at once, in turns. No picture is known from the turn before. */
export async function sharing(model: QAViT, pairs: readonly Pair[], rounds: number): Promise<Sharing> {
  const questions = pairs.slice(0, 8);
  const different = questions.map(({ question }, i) => ({ ...pairs[i * 8]!, question }));
  const same = (of: Pair) => questions.map(({ question, tokens }) => ({ ...of, question, tokens }));
  return served(model, {}, async (client) => {
    const ask = (of: readonly Pair[]) => cost(() => Promise.all(of.map((pair) => client.ask(pair, 'tokens'))));
    await ask(different.map(fresh));
    await ask(same(fresh(pairs[0]!)));
    const turns: { different: Cost; same: Cost }[] = [];
    for (let i = 0; i < rounds; i += 1) {
      turns.push({ different: await ask(different.map(fresh)), same: await ask(same(fresh(pairs[0]!))) });
    }
    return {
      rounds,
      differentMs: round(median(turns.map((turn) => turn.different.ms))),
      sameMs: round(median(turns.map((turn) => turn.same.ms))),
      share: round(median(turns.map((turn) => turn.same.ms / turn.different.ms)), 3),
      cpuShare: round(median(turns.map((turn) => turn.same.cpu / turn.different.cpu)), 3),
    };
  });
}
