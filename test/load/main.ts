/**
 * `npm run test:load [-- PART...]`: what a server does under load and faults. Writes bench/results/serve.json, in which parts that were not
 * measured now stay; exits with 1 where an answer was wrong.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { commit, machine, root } from '../../bench/support/machine';
import { QAViT } from '../../lib';
import { Client } from './client';
import { abortMany, halfSent, killLanguageModel, malformed, slowReaders } from './faults';
import { withModelLike } from './model-like';
import { capacity, openLoop } from './open-loop';
import { addedLatency, sharing } from './ratios';
import { Served } from './served';
import { soak } from './soak';
import { withT5Served } from './t5-served';
import { round } from './tally';
import { throughput } from './throughput';
import { makePairs, type Pair } from './world';

const LOADS = [0.25, 0.5, 0.75, 0.9, 1.1, 1.5];
const LEVEL_MS = 8000;
const SOAK_REQUESTS = 80_000;
const ABORTED_REQUESTS = 10_000;
/** To a T5: its answers take ten times as long. */
const T5_SOAK_REQUESTS = 16_000;
const T5_ABORTED_REQUESTS = 2000;

const say = (text: string): void => void process.stdout.write(`${text}\n`);

async function step<T>(name: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const result = await work();
  say(`${name} (${round((performance.now() - start) / 1000)} s): ${JSON.stringify(result)}`);
  return result;
}

/** What takes no server process of its own: shares of the same process, in turns. */
async function measureRatios(demo: QAViT, pairs: readonly Pair[]) {
  const distinct = pairs.filter((_, i) => i % 9 === 0 || i % 9 === 4);
  return {
    throughput: {
      base: await step('throughput, a tower of ViT-B/32’s size', () =>
        withModelLike('ViT-B/32', (model) => throughput(model, distinct, 5)),
      ),
      // Half a second a picture: one round says what many would.
      large: await step('throughput, a tower of ViT-L/14’s size', () =>
        withModelLike('ViT-L/14', (model) => throughput(model, distinct.slice(0, 48), 1)),
      ),
      demo: await step('throughput, demo', () => throughput(demo, distinct, 7)),
    },
    addedLatency: await step('added latency', () => addedLatency(demo, pairs[0]!, 300)),
    sharing: {
      base: await step('eight questions, one picture, ViT-B/32’s size', () =>
        withModelLike('ViT-B/32', (model) => sharing(model, pairs, 31)),
      ),
      large: await step('eight questions, one picture, ViT-L/14’s size', () =>
        withModelLike('ViT-L/14', (model) => sharing(model, pairs, 5)),
      ),
      demo: await step('eight questions, one picture, demo', () => sharing(demo, pairs, 31)),
    },
  };
}

async function measureLoad(pairs: readonly Pair[]) {
  await using served = await Served.start(['--max-pending', '64']);
  const client = new Client(served.url, 256);
  const most = await step('capacity', () => capacity(client, pairs, 'chat', 32, LEVEL_MS));
  const levels = [];
  for (const [seed, load] of LOADS.entries()) {
    const how = { load, perSecond: most * load, ms: LEVEL_MS, seed: seed + 1 };
    levels.push(await step(`open loop at ${load}`, () => openLoop(client, pairs, 'chat', how)));
  }
  client.close();
  return { capacityPerSecond: round(most), levels };
}

async function measureFaults(pairs: readonly Pair[]) {
  await using served = await Served.start([]);
  const { url } = served;
  const client = new Client(url);
  const few = pairs.slice(0, 64);
  const result = {
    aborted: await step('aborted', () => abortMany(client, pairs, ABORTED_REQUESTS)),
    halfSent: await step('half-sent bodies', () => halfSent(url, client, few, 200)),
    slowReaders: await step('slow readers', () => slowReaders(url, client, few, 200)),
    malformed: await step('malformed', () => malformed(client, pairs, 2000)),
    killed: await step('killed', () => killLanguageModel(served, client, pairs, 10)),
  };
  client.close();
  return result;
}

async function measureSoak(pairs: readonly Pair[]) {
  await using served = await Served.start([]);
  const client = new Client(served.url);
  const result = await step('soak', () => soak(client, pairs, SOAK_REQUESTS));
  client.close();
  return result;
}

async function measureT5() {
  return withT5Served([], 8, async ({ url }, pairs) => {
    const client = new Client(url);
    const result = {
      aborted: await step('aborted, a T5', () => abortMany(client, pairs, T5_ABORTED_REQUESTS)),
      soak: await step('soak, a T5', () => soak(client, pairs, T5_SOAK_REQUESTS)),
    };
    client.close();
    return result;
  });
}

/** Counts `wrong` wherever it stands in the results. */
function wrongAnswers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return Object.entries(value).reduce(
    (sum, [key, inner]) => sum + (key === 'wrong' ? (inner as number) : wrongAnswers(inner)),
    0,
  );
}

const PARTS = {
  ratios: async (pairs: readonly Pair[], demo: QAViT) => measureRatios(demo, pairs),
  load: async (pairs: readonly Pair[]) => ({ load: await measureLoad(pairs) }),
  faults: async (pairs: readonly Pair[]) => ({ faults: await measureFaults(pairs) }),
  soak: async (pairs: readonly Pair[]) => ({ soak: await measureSoak(pairs) }),
  t5: async () => ({ t5: await measureT5() }),
};

type Part = keyof typeof PARTS;

function chosen(): Part[] {
  const all = Object.keys(PARTS) as Part[];
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !all.includes(name as Part));
  if (unknown !== undefined) throw new Error(`Expected parts of ${all.join(', ')} but received ${unknown}`);
  return named.length > 0 ? all.filter((part) => named.includes(part)) : all;
}

async function main(): Promise<void> {
  const file = path.join(root, 'bench', 'results', 'serve.json');
  const parts = chosen();
  const about = { commit: commit(), machine: machine(), node: process.version, at: new Date().toISOString() };
  const before = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<string, object>;
  await using demo = await QAViT.load('demo', { device: 'cpu' });
  say('asking the library for the right answers');
  const pairs = await makePairs(demo, 32);
  let results: Record<string, object> = {};
  for (const part of parts) results = { ...results, ...(await PARTS[part](pairs, demo)) };
  const told = { ...before.about, ...Object.fromEntries(parts.map((part) => [part, about])) };
  writeFileSync(file, `${JSON.stringify({ ...before, ...results, about: told }, null, 2)}\n`);
  const wrong = wrongAnswers(results);
  say(`${wrong} wrong answers; written to ${file}`);
  if (wrong > 0) process.exitCode = 1;
}

void main();
