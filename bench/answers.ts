/** `npm run bench:answers`; `--help` says what it does. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { type DeviceName, openDevice } from '../lib/binding/open-device';
import { JsonFields } from '../lib/json-fields';
import { readT5Config } from '../lib/llm/t5/config';
import { T5Answer, T5Answers } from '../lib/llm/t5/t5-answer';
import { T5Engine } from '../lib/llm/t5/t5-engine';
import { openT5 } from '../lib/llm/t5/t5-model';
import { TensorFolder } from '../lib/weights';
import { noise } from './kernel-cases';
import { oneOf, positive } from './support/arguments';
import { BenchError } from './support/bench-error';
import { commit, machine } from './support/machine';
import { type Spread, spreadOf } from './support/quantiles';
import { writeWhole } from './support/whole-file';

const HELP = `What a T5 takes to write answers, alone and together, once their prompts are read.

    npm run bench:answers -- FOLDER [options]

FOLDER is a T5 as published. Prompts are noise for visual tokens and eight tokens of text. A step says one token of
every answer; sizes take turns, and the first two steps of each are not counted.

  --answers LIST  at a time (default: 1,2,4,8,16)
  --dtype DTYPE   bf16 (the default) or f32
  --device NAME   cpu (the default), cuda, cuda:1, ...
  --threads N     of the CPU (default: all cores)
  --visual N      visual tokens of a prompt (default: 577)
  --steps N       counted, of each size in a round (default: 28); --rounds N (default: 4)
  --json FILE     where results go too
  --help`;

interface Options {
  folder: string;
  answers: number[];
  dtype: 'bf16' | 'f32';
  device: DeviceName;
  threads: number | undefined;
  visual: number;
  steps: number;
  rounds: number;
  json: string | undefined;
}

interface Result {
  answers: number;
  /** Milliseconds. */
  step: Spread;
  /** Of all answers, by the median. */
  tokensPerSecond: number;
}

/** Undefined: help was asked for. */
function readOptions(args: string[]): Options | undefined {
  const text = (value: string) => ({ type: 'string' as const, default: value });
  const { values, positionals } = parse();
  if (values.help) return undefined;
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0) {
    throw new BenchError(`Expected the folder of a T5 but received ${positionals.length} arguments; see --help`);
  }
  return {
    folder,
    answers: values.answers.split(',').map((count) => positive(count, 'answers')),
    dtype: oneOf(values.dtype, ['bf16', 'f32'] as const, 'dtype'),
    device: values.device as DeviceName,
    threads: values.threads === undefined ? undefined : positive(values.threads, 'threads'),
    visual: positive(values.visual, 'visual'),
    steps: positive(values.steps, 'steps'),
    rounds: positive(values.rounds, 'rounds'),
    json: values.json,
  };

  function parse() {
    const options = {
      answers: text('1,2,4,8,16'),
      dtype: text('bf16'),
      device: text('cpu'),
      threads: { type: 'string' },
      visual: text('577'),
      steps: text('28'),
      rounds: text('4'),
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    } as const;
    try {
      return parseArgs({ args, options, allowPositionals: true });
    } catch (error) {
      throw new BenchError(`${(error as Error).message}; see --help`);
    }
  }
}

/**
 * Says tokens of so many answers together.
 *
 * @returns milliseconds of each step
 */
async function write(engine: T5Engine, count: number, { visual, steps }: Options): Promise<number[]> {
  const answers = new T5Answers(engine);
  const prompt = { before: [], visual: noise(visual * engine.model.config.width), after: [1, 2, 3, 4, 5, 6, 7, 1] };
  const all: T5Answer[] = [];
  while (all.length < count) all.push(new T5Answer(answers, await engine.read(prompt, never())));
  const times: number[] = [];
  // In the first two the answers come together, and plans are made.
  for (let step = -2; step < steps; step += 1) {
    const start = performance.now();
    await Promise.all(all.map((answer) => answer.next(1 + (Math.abs(step) % 7), never())));
    if (step >= 0) times.push(performance.now() - start);
  }
  for (const answer of all) answer.dispose();
  return times;
}

const never = (): AbortSignal => new AbortController().signal;

async function openEngine({ folder, dtype, device: name, threads }: Options): Promise<T5Engine> {
  const config = readT5Config(await JsonFields.read(path.join(folder, 'config.json')));
  const weights = await TensorFolder.open(folder);
  const device = openDevice(name, threads);
  try {
    const engine = new T5Engine(device, openT5(config, weights), dtype);
    await engine.prepare();
    return engine;
  } catch (error) {
    await device.close();
    throw error;
  } finally {
    weights.close();
  }
}

async function bench(options: Options): Promise<void> {
  const engine = await openEngine(options);
  const times = new Map<number, number[]>(options.answers.map((count) => [count, []]));
  try {
    for (let round = 0; round < options.rounds; round += 1) {
      for (const [count, all] of times) all.push(...(await write(engine, count, options)));
    }
  } finally {
    await engine.device.close();
  }
  const { dtype, visual, steps, rounds } = options;
  const { name: device, threads } = engine.device.info;
  const model = path.basename(path.resolve(options.folder));
  console.log(`${model}, ${dtype}, ${visual} visual tokens, ${device}`);
  const results = [...times].map(([answers, all]): Result => {
    const step = spreadOf(all);
    return { answers, step, tokensPerSecond: (answers / step.median) * 1e3 };
  });
  for (const { answers, step, tokensPerSecond } of results) {
    const spread = `${step.median.toFixed(1)} ms (${step.p10.toFixed(1)} - ${step.p90.toFixed(1)})`;
    console.log(
      `${String(answers).padStart(4)} at a time  ${spread.padEnd(26)} ${tokensPerSecond.toFixed(0)} tokens/s`,
    );
  }
  if (!options.json) return;
  const about = { commit: commit(), machine: machine(), node: process.version, at: new Date().toISOString() };
  const how = { model, device, threads, dtype, visual, steps, rounds };
  writeWhole(options.json, `${JSON.stringify({ ...about, ...how, results }, null, 2)}\n`);
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options) await bench(options);
  else console.log(HELP);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
