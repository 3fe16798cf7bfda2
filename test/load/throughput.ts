import type { QAViT } from '../../lib';
import { Batcher } from '../../lib/serve';
import { inParallel } from './faults';
import { RemoteClients } from './remote-clients';
import { median, round } from './tally';
import { type Cost, cost, fresh, withServer } from './turns';
import type { Pair } from './world';

/** Concurrent clients. */
const CLIENTS = 32;
/** How often a turn goes through its pairs: more than a few batches of all clients. */
const PASSES = 2;

/** Of the clients' process; they share the machine with the server. */
interface ServedCost extends Cost {
  clientsCpu: number;
}

export interface Throughput {
  pairs: number;
  rounds: number;
  /** For all pairs, medians. */
  encodeBatch: Cost;
  batcher: Cost;
  http: ServedCost;
  /** Of encodeBatch's own throughput: by the clock, and by CPU time, that of HTTP with what the clients take. */
  batcherShare: Cost;
  httpShare: Cost;
  /** By the CPU time of the server's process alone. */
  serverCpuShare: number;
}

/** The same pairs by one encodeBatch, by 32 clients of a Batcher, and by 32 clients of a server, in turns. */
export async function throughput(model: QAViT, pairs: readonly Pair[], rounds: number): Promise<Throughput> {
  const count = PASSES * pairs.length;
  const unseen = () => Array.from({ length: count }, (_, i) => fresh(pairs[i % pairs.length]!));
  return withServer(model, {}, async (url) => {
    await using batcher = new Batcher(model);
    await using clients = new RemoteClients(url, CLIENTS);
    const turns: { encodeBatch: Cost; batcher: Cost; http: ServedCost }[] = [];
    for (let turn = -1; turn < rounds; turn += 1) {
      const [first, second, third] = [unseen(), unseen(), unseen()];
      const items = first.map(({ picture, question }) => ({ image: picture, question }));
      const encodeBatch = await cost(() => model.encodeBatch(items));
      const batched = await cost(() =>
        inParallel(count, CLIENTS, (i) => batcher.encode(second[i]!.picture, second[i]!.question)),
      );
      await clients.prepare(third);
      const http = await costOf(clients);
      if (turn >= 0) turns.push({ encodeBatch, batcher: batched, http });
    }
    // Shares of the same round, so that what else the machine does meanwhile counts for both.
    const share = (of: (turn: (typeof turns)[number]) => number): number => round(median(turns.map(of)), 3);
    const middle = (name: 'encodeBatch' | 'batcher' | 'http'): Cost => ({
      ms: round(median(turns.map((turn) => turn[name].ms)), 1),
      cpu: round(median(turns.map((turn) => turn[name].cpu)), 1),
    });
    const clientsCpu = round(median(turns.map(({ http }) => http.clientsCpu)), 1);
    return {
      pairs: count,
      rounds,
      encodeBatch: middle('encodeBatch'),
      batcher: middle('batcher'),
      http: { ...middle('http'), clientsCpu },
      batcherShare: {
        ms: share(({ encodeBatch: own, batcher: { ms } }) => own.ms / ms),
        cpu: share(({ encodeBatch: own, batcher: { cpu } }) => own.cpu / cpu),
      },
      httpShare: {
        ms: share(({ encodeBatch: own, http: { ms } }) => own.ms / ms),
        cpu: share(({ encodeBatch: own, http: { cpu, clientsCpu } }) => own.cpu / (cpu + clientsCpu)),
      },
      serverCpuShare: share(({ encodeBatch: own, http: { cpu } }) => own.cpu / cpu),
    };
  });
}

async function costOf(clients: RemoteClients): Promise<ServedCost> {
  let clientsCpu = 0;
  const took = await cost(async () => {
    const { cpu, failed } = await clients.ask();
    if (failed > 0) throw new Error(`${failed} requests failed`);
    clientsCpu = cpu;
  });
  return { ...took, clientsCpu };
}
