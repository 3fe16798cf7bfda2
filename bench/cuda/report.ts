/** What a run found: lines as it goes, and one file of JSON that is written after every step. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { BenchError } from '../support/bench-error';
import { commit, lineOf } from '../support/machine';
import type { Spread } from '../support/quantiles';
import { spreadOf } from '../support/quantiles';
import { writeWhole } from '../support/whole-file';
import type { ContestResult } from './contest';
import type { KernelResult } from './kernel-contest';
import type { Options } from './options';
import type { Errors, PeerInfo } from './peer-process';
import { type Target, targetsOf } from './targets';
import type { TileResult } from './tile-search';

const milliseconds = ({ p10, median, p90 }: Spread): string =>
  `${median.toFixed(3)} ms (${p10.toFixed(3)}-${p90.toFixed(3)})`;

interface Written {
  settings: object;
  errors: Record<string, Errors>;
  cases: ContestResult[];
  kernels: KernelResult[];
  tiles: TileResult[];
}

/** By its case. */
function replace<T extends { case: string }>(all: T[], one: T): void {
  const at = all.findIndex((other) => other.case === one.case);
  all.splice(at < 0 ? all.length : at, at < 0 ? 0 : 1, one);
}

/** @throws BenchError for a file of something else, which is not to be written over */
function read(file: string): Written {
  let found: Partial<Written> | null = null;
  try {
    found = JSON.parse(readFileSync(file, 'utf8')) as Partial<Written> | null;
  } catch {
    // Said below.
  }
  if (found?.settings && Array.isArray(found.cases)) return found as Written;
  throw new BenchError(`Expected results of this benchmark for --json but received ${file}`);
}

export class Report {
  private readonly machine: Record<string, unknown>;
  private readonly errors: Record<string, Errors>;
  private readonly cases: ContestResult[];
  private readonly kernels: KernelResult[];
  private readonly tiles: TileResult[];
  private readonly left: string[] = [];
  private readonly failed: Record<string, string> = {};

  /** @param file undefined: nothing is written. What it holds of the same GPU, build and model stays, but for what is measured anew. */
  constructor(
    gpu: string,
    info: PeerInfo,
    private readonly options: Options,
    private readonly file: string | undefined,
  ) {
    const driver = ['--query-gpu=driver_version', '--format=csv,noheader'];
    this.machine = {
      gpu,
      driver: lineOf('nvidia-smi', driver, 'unknown'),
      commit: commit(),
      node: process.version,
      peers: info,
      ...(info.standIn && { warning: 'A try of the harness, not a measurement: no GPU took part.' }),
    };
    console.log(JSON.stringify(this.machine, null, 2));
    const { errors = {}, cases = [], kernels = [], tiles = [] } = this.found();
    [this.errors, this.cases, this.kernels, this.tiles] = [errors, cases, kernels, tiles];
  }

  addErrors(errors: Record<string, Errors>): void {
    Object.assign(this.errors, errors);
    for (const [name, { relative, lowestCosine }] of Object.entries(errors)) {
      const cosine = lowestCosine.toFixed(6);
      console.log(`error against float64, ${name.padEnd(9)} ${relative.toExponential(3)}, lowest cosine ${cosine}`);
    }
    this.write();
  }

  addCase(result: ContestResult): void {
    replace(this.cases, result);
    const ceiling = this.ceiling().median;
    console.log(
      `\n${result.case} (pairs x questions an image), ${result.gflop.toFixed(0)} GFLOP; ceiling ${ceiling.toFixed(0)} TFLOP/s`,
    );
    for (const [name, places] of Object.entries(result.contestants)) {
      for (const [place, { gpu, call, pairsPerSecond, tflops }] of Object.entries(places)) {
        const share = `${((tflops / ceiling) * 100).toFixed(1)}%`;
        const speed = `${pairsPerSecond.toFixed(0).padStart(6)} pairs/s ${tflops.toFixed(1).padStart(6)} TFLOP/s ${share.padStart(6)}`;
        console.log(
          `  ${name.padEnd(9)} ${place.padEnd(7)} gpu ${milliseconds(gpu).padEnd(28)} call ${milliseconds(call).padEnd(28)} ${speed}`,
        );
      }
    }
    const { launched, recorded, replayed } = result.plans;
    console.log(`  qavit's plans: ${launched} launched, ${recorded} recorded, ${replayed} replayed`);
    for (const [name, why] of Object.entries(result.failed)) console.log(`  ${name.padEnd(9)} FAILED: ${why}`);
    // A peer may be missing; without qavit the case is not measured.
    if (result.failed.qavit !== undefined) this.failed[`qavit in case ${result.case}`] = result.failed.qavit;
    this.write();
  }

  addKernel(result: KernelResult): void {
    replace(this.kernels, result);
    const peers = Object.entries(result.peers).map(([name, { median }]) => `${name} ${median.toFixed(4)}`);
    const speed = `${result.rate.toFixed(0).padStart(5)} ${result.unit}`;
    if (result.failed !== undefined) peers.push(`FAILED: ${result.failed}`);
    console.log(`  ${result.case.padEnd(56)} ${result.qavit.median.toFixed(4)} ms ${speed}   ${peers.join(', ')}`);
    this.write();
  }

  addTiles(result: TileResult): void {
    replace(this.tiles, result);
    console.log(`  ${result.case.padEnd(56)} chosen ${result.chosen.median.toFixed(4)} ms; fastest TILE:SPLITS`);
    for (const { tile, splits, time, tflops } of result.tiles.slice(0, 5)) {
      console.log(
        `    ${`${tile}:${splits}`.padEnd(6)} ${time.median.toFixed(4)} ms ${tflops.toFixed(0).padStart(5)} TFLOP/s`,
      );
    }
    this.write();
  }

  /** A part or case that there was no time for. */
  leave(what: string): void {
    this.left.push(what);
    console.log(`NOT RUN, the minutes are over: ${what}`);
    this.write();
  }

  /** A part or case that ended with an error. */
  fail(what: string, why: string): void {
    this.failed[what] = why;
    console.log(`FAILED: ${what}: ${why}`);
    this.write();
  }

  /** Says which targets were met, and what failed. @returns whether nothing did */
  end(): boolean {
    if (this.targets().length > 0) console.log('\nTargets (set for an H200)');
    for (const { what, wanted, measured, met } of this.targets()) {
      console.log(`  ${met ? 'met    ' : 'NOT MET'} ${what.padEnd(72)} ${measured.padStart(10)} ${wanted}`);
    }
    if (this.file) console.log(`\nWritten to ${path.relative(process.cwd(), this.file)}`);
    for (const [what, why] of Object.entries(this.failed)) console.log(`FAILED: ${what}: ${why}`);
    return Object.keys(this.failed).length === 0;
  }

  private targets(): Target[] {
    const { errors, cases, kernels, options } = this;
    const { config, dtype, tokens } = options;
    if (this.machine.warning || config !== 'vit-l-14-336' || dtype !== 'bf16' || tokens !== 32) return [];
    return targetsOf({ errors, cases, kernels, ceiling: this.ceiling().median });
  }

  private ceiling(): Spread {
    return spreadOf(this.cases.flatMap(({ ceiling }) => ceiling));
  }

  private model() {
    const { config, dtype, stream, tokens } = this.options;
    return { config, dtype, stream, integrationPoint: 'late', tokens };
  }

  /** What an earlier run left in the file. */
  private found(): Partial<Written> {
    if (!this.file || !existsSync(this.file)) return {};
    const written = read(this.file);
    const same = (mine: object, theirs: object = {}) =>
      Object.entries(mine).every(([key, value]) => isDeepStrictEqual(value, theirs[key as keyof typeof theirs]));
    return same(this.machine, written) && same(this.model(), written.settings) ? written : {};
  }

  private write(): void {
    if (!this.file) return;
    const { samples, rounds, compile } = this.options;
    const { errors, cases, kernels, tiles, left, failed } = this;
    const settings = { ...this.model(), samples, rounds, compile };
    const ceiling = this.ceiling();
    const targets = this.targets();
    const result = { ...this.machine, settings, ceiling, errors, targets, cases, kernels, tiles, left, failed };
    writeWhole(this.file, `${JSON.stringify(result, null, 2)}\n`);
  }
}
