/** `npm run bench:cuda`; `--help` says what it does. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadAddon } from '../../lib/binding/load';
import type { Device } from '../../lib/binding/native';
import { BenchError } from '../support/bench-error';
import { root } from '../support/machine';
import { type Case, DEFAULT_CASES, nameOf, parseCases } from './cases';
import { contest } from './contest';
import { kernelContest } from './kernel-contest';
import { HELP, type Options, readOptions } from './options';
import { OwnTower } from './own-tower';
import { makeModel, PeerProcess } from './peer-process';
import { Report } from './report';
import { layerProducts, squareCase, tileSearch } from './tile-search';

const built = path.join(root, 'build-cuda', 'Release', 'qavit.node');

/** Enough pairs to see every kind of tile, few enough for float64. */
const ERROR_CASE: Case = { pairs: 4, perImage: 2 };
const TINY_CASES = '2x1,2x0,2x2';

/** @param settings of docs/cuda.md, which count while a device is opened */
function openDevice(settings: { QAVIT_CUDA_TILE?: string; QAVIT_CUDA_KERNELS?: string } = {}): Device {
  process.env.QAVIT_ADDON ||= built;
  const before = Object.keys(settings).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, settings);
  try {
    if (!existsSync(process.env.QAVIT_ADDON))
      throw new Error(`There is no ${process.env.QAVIT_ADDON}: run npm run build:cuda`);
    return new (loadAddon().Device)({ kind: 'cuda', timing: true });
  } catch (error) {
    const line = '='.repeat(100);
    throw new BenchError(
      `${line}\nNOTHING WAS MEASURED: no usable GPU. ${(error as Error).message}\n` +
        `To try the harness without one: npm run build:emulated, then\n` +
        `    QAVIT_ADDON=build/emulated/qavit.node npm run bench:cuda -- --config tiny --peers eager --samples 2 --rounds 2\n${line}`,
    );
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

class Run {
  private readonly end: number;

  constructor(
    private readonly device: Device,
    private readonly own: OwnTower,
    private readonly serial: OwnTower | undefined,
    private readonly torch: PeerProcess,
    private readonly report: Report,
    private readonly options: Options,
    private readonly directory: string,
  ) {
    this.end = performance.now() + options.minutes * 60e3;
  }

  async parts(cases: readonly Case[]): Promise<void> {
    const parts = {
      errors: () => this.unlessLate('errors', () => this.errors()),
      model: () => this.model(cases),
      kernels: () => this.kernels(),
      tiles: () => this.tiles(),
    };
    for (const part of this.options.parts) await parts[part]();
  }

  /** A step that fails is said to, and those behind it are taken all the same: time on a GPU is dear. */
  private async unlessLate(what: string, step: () => Promise<void>): Promise<void> {
    if (performance.now() > this.end) {
      this.report.leave(what);
      return;
    }
    try {
      await step();
    } catch (error) {
      this.report.fail(what, (error as Error).message);
    }
  }

  private async errors(): Promise<void> {
    const file = path.join(this.directory, 'tokens.f32');
    writeFileSync(file, await this.own.tokens(ERROR_CASE));
    await this.own.release(ERROR_CASE);
    // torch.compile's are eager's or better, and cost a compilation.
    this.report.addErrors(await this.torch.errors(ERROR_CASE, file, ['eager']));
  }

  private async model(cases: readonly Case[]): Promise<void> {
    for (const entry of cases) {
      await this.unlessLate(`case ${nameOf(entry)}`, async () =>
        this.report.addCase(await contest(this.own, this.serial, this.torch, entry, this.options)),
      );
    }
  }

  private async kernels(): Promise<void> {
    const { dtype, batches } = this.options;
    if (dtype === 'f16') return console.log('\nKernels: measured in bf16 and f32 only');
    console.log(`\nKernels, ${dtype}; peers in ms`);
    for (const batch of batches) {
      const report = this.report.addKernel.bind(this.report);
      await this.unlessLate(`kernels at batch ${batch}`, () =>
        kernelContest(this.device, this.torch, this.own.size, batch, { ...this.options, dtype }, report),
      );
    }
  }

  private async tiles(): Promise<void> {
    const { dtype, batches, config } = this.options;
    if (dtype !== 'bf16') return console.log('\nTiles: measured in bf16 only');
    const square = config === 'tiny' ? [] : [squareCase(dtype)];
    const cases = [...square, ...batches.flatMap((batch) => layerProducts(this.own.size, batch, dtype))];
    for (const entry of cases) {
      await this.unlessLate(`tiles of ${entry.name}`, async () =>
        this.report.addTiles(await tileSearch((tile) => openDevice({ QAVIT_CUDA_TILE: tile }), entry, this.options)),
      );
    }
  }
}

async function bench(options: Options): Promise<void> {
  const cases = parseCases(options.cases ?? (options.config === 'tiny' ? TINY_CASES : DEFAULT_CASES));
  const device = openDevice();
  const emulated = device.info.name.startsWith('emulated');
  if (emulated && options.config !== 'tiny') {
    throw new BenchError('Expected --config tiny with the emulated addon, which takes hours for a real tower');
  }
  const directory = mkdtempSync(path.join(tmpdir(), 'qavit-bench-'));
  let torch: PeerProcess | undefined;
  let own: OwnTower | undefined;
  let serial: OwnTower | undefined;
  const serially = options.peers.includes('serial') ? openDevice({ QAVIT_CUDA_KERNELS: 'serial' }) : undefined;
  try {
    makeModel(options, directory, Math.max(ERROR_CASE.pairs, ...cases.map(({ pairs }) => pairs)));
    torch = await PeerProcess.start(options, directory);
    if (torch.info.standIn && !emulated) {
      throw new BenchError(`Expected PyTorch to see the GPU but ${options.python}'s ${torch.info.torch} does not`);
    }
    own = await OwnTower.open(device, directory, options);
    serial = serially && (await OwnTower.open(serially, directory, options));
    const standard = path.join(root, 'bench', 'results', `cuda-${options.config}-${options.dtype}.json`);
    const report = new Report(device.info.name, torch.info, options, options.json ?? (emulated ? undefined : standard));
    await new Run(device, own, serial, torch, report, options, directory).parts(cases);
    if (!report.end()) process.exitCode = 1;
  } finally {
    await torch?.stop();
    own?.close();
    serial?.close();
    await Promise.all([device.close(), serially?.close()]);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (options) await bench(options);
  else console.log(HELP);
}

main().catch((error: unknown) => {
  console.error(error instanceof BenchError ? error.message : error);
  process.exitCode = 1;
});
