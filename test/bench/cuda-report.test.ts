import { expect } from 'chai';
import { readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { contest, type ContestResult } from '../../bench/cuda/contest';
import type { KernelResult } from '../../bench/cuda/kernel-contest';
import type { Options } from '../../bench/cuda/options';
import { OwnTower } from '../../bench/cuda/own-tower';
import type { PeerProcess } from '../../bench/cuda/peer-process';
import { Report } from '../../bench/cuda/report';
import { BenchError } from '../../bench/support/bench-error';
import { spreadOf } from '../../bench/support/quantiles';
import type { Device } from '../../lib/binding/native';
import { fixture } from '../support/paths';
import { temporaryFolder } from '../support/temporary';

const INFO = { standIn: true, device: 'CPU', torch: '2', transformers: '5' };
const OPTIONS = { config: 'tiny', dtype: 'bf16', stream: 'f32', tokens: 8, samples: 2, rounds: 1 } as Options;

const caseOf = (name: string, ceiling: number[]) =>
  ({ case: name, gflop: 1, contestants: {}, ceiling, plans: {}, failed: {} }) as unknown as ContestResult;
const kernelOf = (name: string, rate: number) =>
  ({ case: name, rate, unit: 'TFLOP/s', qavit: spreadOf([1]), peers: {} }) as unknown as KernelResult;

describe('bench/cuda: the report', () => {
  const folder = temporaryFolder();
  const log = console.log;
  before(() => (console.log = () => undefined));
  after(() => (console.log = log));

  const reporting = (options: Partial<Options> = {}, gpu = 'a GPU'): Report =>
    new Report(gpu, INFO, { ...OPTIONS, ...options }, path.join(folder(), 'results.json'));
  const written = () =>
    JSON.parse(readFileSync(path.join(folder(), 'results.json'), 'utf8')) as {
      ceiling: { median: number };
      cases: ContestResult[];
      kernels: KernelResult[];
    };

  it('adds to what an earlier run has measured, and measures anew what it has', () => {
    const first = reporting();
    first.addKernel(kernelOf('qkv', 1));
    first.addKernel(kernelOf('out', 2));
    first.addCase(caseOf('1x1', [10]));
    const second = reporting({ samples: 9 });
    second.addKernel(kernelOf('out', 3));
    second.addCase(caseOf('8x1', [30, 20]));
    expect(written().kernels.map(({ case: name, rate }) => [name, rate])).to.deep.equal([
      ['qkv', 1],
      ['out', 3],
    ]);
    expect(written().cases.map((entry) => entry.case)).to.deep.equal(['1x1', '8x1']);
    expect(written().ceiling.median).to.equal(20);
  });

  it('keeps what failed, and says at the end that something did', () => {
    const report = reporting();
    report.addKernel(kernelOf('qkv', 1));
    expect(report.end()).to.equal(true);
    report.fail('errors', 'no memory');
    report.addKernel(kernelOf('out', 1));
    expect(written()).to.deep.include({ failed: { errors: 'no memory' } });
    expect(written().kernels).to.have.length(2);
    expect(report.end()).to.equal(false);
  });

  it('leaves a file of something else alone', () => {
    const file = path.join(folder(), 'results.json');
    for (const content of ['', '{"settings":', 'null', '[]', '{"cases":[]}']) {
      writeFileSync(file, content);
      expect(() => reporting(), content).to.throw(BenchError, 'Expected results of this benchmark for --json');
    }
    rmSync(file);
  });

  it('begins anew for another GPU or another model', () => {
    reporting().addKernel(kernelOf('qkv', 1));
    reporting({}, 'another GPU').addKernel(kernelOf('out', 2));
    expect(written().kernels.map((kernel) => kernel.case)).to.deep.equal(['out']);
    reporting({ tokens: 16 }, 'another GPU').addKernel(kernelOf('fc1', 2));
    expect(written().kernels.map((kernel) => kernel.case)).to.deep.equal(['fc1']);
  });
});

describe('bench/cuda: a case', () => {
  const folder = temporaryFolder();
  const log = console.log;
  before(() => (console.log = () => undefined));
  after(() => (console.log = log));

  it('has the times of the others where qavit fails, and is a failure', async () => {
    const times = { gpu: [1, 1], call: [2, 2] };
    const torch = {
      prepare: () => Promise.resolve(),
      ceiling: () => Promise.resolve([1]),
      run: () => Promise.resolve(times),
    } as unknown as PeerProcess;
    symlinkSync(fixture('towers', 'prefixed', 'tower'), path.join(folder(), 'tower'));
    symlinkSync(fixture('towers', 'prefixed', 'adapters', 'adapter'), path.join(folder(), 'adapter'));
    const device = {
      statistics: { launched: 0, recorded: 0, replayed: 0, milliseconds: 0 },
      upload: () => Promise.reject(new Error('out of memory')),
    } as unknown as Device;
    const options = { peers: ['eager'], samples: 2, rounds: 1, dtype: 'bf16', stream: 'f32', tokens: 8 } as Options;
    const own = await OwnTower.open(device, folder(), options);
    try {
      const result = await contest(own, undefined, torch, { pairs: 1, perImage: 1 }, options);
      expect(Object.keys(result.contestants)).to.deep.equal(['eager']);
      expect(result.failed).to.deep.equal({ qavit: 'out of memory' });
      const report = new Report('a GPU', INFO, { ...OPTIONS, ...options }, undefined);
      report.addCase(result);
      expect(report.end()).to.equal(false);
    } finally {
      own.close();
    }
  });

  it('goes on without a contestant that fails half-way, and says why', async () => {
    const times = { gpu: [1, 1], call: [2, 2] };
    const statistics = { launched: 0, recorded: 0, replayed: 0, milliseconds: 0 };
    const own = {
      size: { tokens: 5, width: 8, mlp: 16, layers: 1, patch: 2, hasClass: true, fused: 0, firstFused: 1 },
      statistics,
      warm: () => Promise.resolve(),
      run: () => Promise.resolve(times),
      release: () => Promise.resolve(),
    } as unknown as OwnTower;
    let turns = 0;
    const torch = {
      prepare: () => Promise.resolve(),
      ceiling: () => Promise.resolve([1]),
      run: (peer: string) =>
        peer === 'compiled' && (turns += 1) === 3 ? Promise.reject(new Error('out of memory')) : Promise.resolve(times),
    } as unknown as PeerProcess;
    const options = { peers: ['eager', 'compiled'], samples: 4, rounds: 2 } as Options;
    const result = await contest(own, undefined, torch, { pairs: 1, perImage: 0 }, options);
    expect(Object.keys(result.contestants)).to.deep.equal(['qavit', 'eager']);
    expect(result.failed).to.deep.equal({ compiled: 'out of memory' });
    expect(turns).to.equal(3);
  });
});
