import type { QAViT } from '../../lib';
import { Batcher } from '../../lib/serve';
import { Client } from './client';
import { median, round } from './tally';
import { type Cost, cost, fresh, withServer } from './turns';
import type { Pair } from './world';

async function withClient<T>(model: QAViT, use: (client: Client) => Promise<T>): Promise<T> {
  return withServer(model, {}, async (url) => {
    const client = new Client(url);
    try {
      return await use(client);
    } finally {
      client.close();
    }
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
  return withClient(model, async (client) => {
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
  return withClient(model, async (client) => {
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
