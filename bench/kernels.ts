/**
 * The CPU kernels at the shapes of CLIP towers: best time, GFLOP/s and the share of what the same threads reach in registers, or GB/s
 * and the share of what they reach copying as much memory, measured in the same run. `npm run bench` runs it for its kernels.
 *
 *     node dist/bench/kernels.js [--isa avx512bf16] [--threads 2] [--dtype bf16|f32|int8] [--only linear] [--rounds 30] [--clock cpu] [--json out.json]
 *
 * A plan repeats one operation until it takes some milliseconds, with its operands resident on the device, so that neither copies nor
 * the event loop are measured. The best round counts: what else runs on the machine can only add time. Where it always does, one
 * thread's share is still to be had: --threads 1 --clock cpu counts the time this process computes, not the time it waits for a core.
 */
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadAddon } from '../lib/binding/load';
import type { CpuIsa, Device } from '../lib/binding/native';
import { copyRate } from './copy-rate';
import { kernelCases, type ComputeDType, type KernelCase } from './kernel-cases';
import { type Clock, CLOCKS } from './options';
import { oneOf, positive } from './support/arguments';
import { BenchError } from './support/bench-error';
import { writeWhole } from './support/whole-file';

const DTYPES = ['f32', 'bf16', 'int8'] as const;
type Measured = (typeof DTYPES)[number];

interface Result {
  case: string;
  dtype: Measured;
  ms: number;
  /** 10^9 operations a second; 10^9 bytes where memory is the limit. */
  rate: number;
  unit: 'GFLOP/s' | 'GB/s';
  /** Of the register-only peak, or of copying. */
  share: number;
}

/** A plan this long is repeated often enough for its start to vanish, and short enough to fit between other processes' turns. */
const planMilliseconds = 8;

const HELP = `The CPU kernels alone, at the shapes of CLIP towers: best time, rate, and the share of what the same threads reach in registers or copying.

  --isa NAME      generic, avx2, avx512, avx512vnni, avx512bf16, neon, neondot or neonbf16 (default: this processor's best)
  --threads N     (default: the cores of this machine)
  --dtype TYPE    f32, bf16 or int8 (default: all)
  --only TEXT     kernels with this in their name
  --rounds N      of which the best counts (default: 30)
  --clock CLOCK   wall (the default), or cpu: the time that the process computes; needs --threads 1
  --json FILE     results`;

interface Options {
  isa: CpuIsa | undefined;
  threads: number | undefined;
  dtypes: readonly Measured[];
  only: string;
  rounds: number;
  clock: Clock;
  json: string | undefined;
}

/** Undefined: help was asked for. */
function readOptions(args: string[]): Options | undefined {
  const values = parse();
  if (values.help) return undefined;
  const clock = oneOf(values.clock, CLOCKS, 'clock');
  if (clock === 'cpu' && values.threads !== '1') {
    throw new BenchError(`Expected --threads 1 with --clock cpu but received ${values.threads ?? 'none'}`);
  }
  return {
    isa: values.isa as CpuIsa | undefined,
    threads: values.threads === undefined ? undefined : positive(values.threads, 'threads'),
    dtypes: values.dtype === undefined ? DTYPES : [oneOf(values.dtype, DTYPES, 'dtype')],
    only: values.only,
    rounds: positive(values.rounds, 'rounds'),
    clock,
    json: values.json,
  };

  function parse() {
    const options = {
      isa: { type: 'string' },
      threads: { type: 'string' },
      dtype: { type: 'string' },
      only: { type: 'string', default: '' },
      rounds: { type: 'string', default: '30' },
      clock: { type: 'string', default: 'wall' },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    } as const;
    try {
      return parseArgs({ args, options }).values;
    } catch (error) {
      throw new BenchError(`${(error as Error).message}; see --help`);
    }
  }
}

/** Seconds. */
function now(clock: Clock): number {
  if (clock !== 'cpu') return Number(process.hrtime.bigint()) * 1e-9;
  const { user, system } = process.cpuUsage();
  return (user + system) * 1e-6;
}

/** A device that has nothing to do for 250 ms joins the small pages of its weights, as it does in a program: 2 MiB in 1 to 5 ms. */
async function pagesJoined(bytes: number): Promise<void> {
  const hugePages = Math.floor(bytes / (2 << 20));
  if (hugePages > 0) await setTimeout(300 + 10 * hugePages);
}

async function seconds(
  device: Device,
  entry: KernelCase,
  repeats: number,
  { rounds, clock }: Pick<Options, 'rounds' | 'clock'>,
): Promise<number> {
  const { plan, weights, inputs } = await entry.prepare(device, repeats);
  const compiled = device.compile(plan, weights);
  await pagesJoined(entry.weightBytes);
  const resident = await Promise.all(inputs.map((data, i) => device.write(data, entry.inputs[i]!)));
  let best = Infinity;
  for (let round = 0; round < rounds; round += 1) {
    const start = now(clock);
    const results = await device.run(compiled, resident, { results: ['tensor'] });
    best = Math.min(best, now(clock) - start);
    for (const result of results) if ('dispose' in result) result.dispose();
  }
  return best / repeats;
}

async function measure(
  device: Device,
  entry: KernelCase,
  dtype: Measured,
  peak: number,
  { rounds, clock }: Options,
): Promise<Result> {
  const once = await seconds(device, entry, 1, { rounds: 3, clock });
  const repeats = Math.max(1, Math.min(200, Math.round(planMilliseconds / (once * 1e3))));
  const best = await seconds(device, entry, repeats, { rounds, clock });
  const result = { case: entry.name, dtype, ms: best * 1e3 };
  if (entry.bytes !== undefined) {
    const rate = (entry.bytes / best) * 1e-9;
    return { ...result, rate, unit: 'GB/s', share: rate / (await copyRate(entry.bytes, device.info.threads)) };
  }
  const rate = (entry.operations / best) * 1e-9;
  return { ...result, rate, unit: 'GFLOP/s', share: rate / peak };
}

function line({ case: name, ms, rate, unit, share }: Result): string {
  const speed = `${ms.toFixed(3).padStart(9)} ms ${rate.toFixed(0).padStart(5)} ${unit.padEnd(7)}`;
  return `${name.padEnd(66)} ${speed} ${(share * 100).toFixed(0).padStart(4)}%`;
}

async function bench(options: Options): Promise<void> {
  const { isa: wanted, threads, dtypes, only, json } = options;
  const addon = loadAddon();
  const device = new addon.Device({ kind: 'cpu', isa: wanted, threads });
  const { isa, name } = device.info;
  const results: Result[] = [];
  const peaks: Record<string, number> = {};
  const float = device.info.dtypes[0] as ComputeDType;
  for (const dtype of dtypes) {
    const cases = kernelCases(dtype, float).filter((candidate) => candidate.name.includes(only));
    if (cases.length === 0) continue;
    const peak = addon.cpuPeak(isa as CpuIsa, dtype, device.info.threads);
    peaks[dtype] = peak;
    console.log(`\n${name}, ${isa}, ${device.info.threads} threads, ${dtype}: ${peak.toFixed(0)} GFLOP/s in registers`);
    for (const entry of cases) {
      const result = await measure(device, entry, dtype, peak, options);
      results.push(result);
      console.log(line(result));
    }
  }
  const used = device.info.threads;
  await device.close();
  if (results.length === 0)
    throw new BenchError(`Expected a part of a kernel's name for --only but received '${only}'`);
  if (json !== undefined) {
    writeWhole(json, `${JSON.stringify({ name, isa, threads: used, peaks, results }, null, 2)}\n`);
  }
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
